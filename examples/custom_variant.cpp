// custom_variant START DATA OUT: four models that differ in one word of their type, trained from nothing with equal
// budgets on the same conversations, and compared. START holds the config.json of a dense model with three taps, whose
// sizes they take over.
// test: custom_variant {toy}/start {toy}/data.jsonl out --steps 5
#include <cstdio>
#include <string>
#include <vector>

#include <vlm/vlm.hpp>

#include "command_line.hpp"

namespace {

template <int Taps, class RopeKind, class FeedForward>
using Variant = vlm::Vlm<vlm::Encoder<vlm::SigLIP2>, vlm::Merger<vlm::MLP2, vlm::DeepStack<Taps>>,
                         vlm::Decoder<vlm::Qwen3, FeedForward>, vlm::Rope<RopeKind>>;

// What a configuration says of a variant.
struct Traits {
  std::size_t taps = 3;
  bool interleaved = true, sparse = false;
};

// START with these traits: the first taps, and four experts of half the width, two to a token, so that a token passes
// as many weights as in the dense model.
void write_variant(const std::string& start, const std::string& folder, const Traits& traits) {
  vlm::Json config = vlm::parse_json(vlm::read_file(start + "/config.json"), start + "/config.json");
  vlm::Json vision = config.at("vision_config"), text = config.at("text_config"), taps = vlm::Json::array();
  for (std::size_t i = 0; i < traits.taps; ++i) taps.push_back(vision.at("deepstack_visual_indexes").at(i));
  vision.set("deepstack_visual_indexes", taps);
  vlm::Json rope = text.at("rope_scaling");
  rope.set("mrope_interleaved", traits.interleaved);
  text.set("rope_scaling", rope);
  if (traits.sparse) {
    text.set("num_experts", 4);
    text.set("num_experts_per_tok", 2);
    text.set("moe_intermediate_size", text.at("intermediate_size").integer() / 2);
  }
  config.set("vision_config", vision);
  config.set("text_config", text);
  vlm::make_folder(folder);
  vlm::copy_companions(start, folder);
  vlm::write_file_atomically(folder + "/config.json", vlm::write_json(config, 2));
}

struct Row {
  std::string name;
  vlm::Index parameters = 0;
  double before = 0, after = 0, seconds = 0;  // losses of the validation file
};

template <class Spec>
Row train(const std::string& name, const Traits& traits, const std::string& start, vlm::Recipe recipe) {
  recipe.out += "/" + name;
  recipe.start = recipe.out + "/start";
  write_variant(start, recipe.start, traits);
  vlm::Trainer<vlm::S1, Spec> trainer(recipe);
  Row row{.name = name};
  for (const vlm::Parameter& p : trainer.net().parameters()) row.parameters += p.count;
  row.before = trainer.validate();
  while (trainer.steps_done() < recipe.steps) row.seconds += trainer.step().seconds;
  row.after = trainer.validate();
  return row;
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Compares DeepStack, rotary positions and experts: one change each, equal budgets.");
  vlm::Recipe recipe{.data = {{}}, .context = 512, .learning_rate = 1e-2, .warm_up = 5, .from_scratch = true};
  std::string start;
  app.add_option("START", start,
                 "folder of a dense model: config.json, tokenizer.json, preprocessor_config.json")
      ->required();
  app.add_option("DATA", recipe.data[0].path, "conversations: JSON lines, or another source")->required();
  app.add_option("OUT", recipe.out, "folder for results")->required();
  app.add_option("--validation", recipe.validation, "JSONL file that is scored; DATA if it is not given");
  app.add_option("--steps", recipe.steps, "updates of each model")->capture_default_str();
  return example::run(app, count, arguments, [&] {
    using vlm::Dense, vlm::InterleavedM, vlm::MoE, vlm::SectionedM;
    if (recipe.validation.empty()) recipe.validation = recipe.data[0].path;
    const std::vector<Row> rows = {
        train<Variant<3, InterleavedM, Dense>>("deepstack-3", {}, start, recipe),
        train<Variant<1, InterleavedM, Dense>>("deepstack-1", {.taps = 1}, start, recipe),
        train<Variant<3, SectionedM, Dense>>("sectioned-rope", {.interleaved = false}, start, recipe),
        train<Variant<3, InterleavedM, MoE>>("experts", {.sparse = true}, start, recipe)};
    std::printf("%-16s %12s %14s %14s %10s\n", "", "parameters", "loss before", "loss after", "seconds");
    for (const Row& row : rows)
      std::printf("%-16s %12lld %14.4f %14.4f %10.2f\n", row.name.c_str(),
                  static_cast<long long>(row.parameters), row.before, row.after, row.seconds);
    return 0;
  });
}
