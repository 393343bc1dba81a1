// custom_variant START DATA OUT: a model that nobody ships, one DeepStack tap and a sparse decoder, trained
// from nothing. START holds the config.json of a dense model, whose sizes it takes over.
// test: custom_variant {toy}/start {toy}/data.jsonl out --steps 5
#include <vlm/vlm.hpp>

#include "command_line.hpp"

using Variant = vlm::Vlm<vlm::Encoder<vlm::SigLIP2>, vlm::Merger<vlm::MLP2, vlm::DeepStack<1>>,
                         vlm::Decoder<vlm::Qwen3, vlm::MoE>, vlm::Rope<vlm::InterleavedM>>;

// The configuration of START with one tap and four experts, two to a token.
void write_variant(const std::string& start, const std::string& folder) {
  vlm::Json config = vlm::parse_json(vlm::read_file(start + "/config.json"), start + "/config.json");
  vlm::Json vision = config.at("vision_config"), text = config.at("text_config");
  vision.set("deepstack_visual_indexes", vlm::Json::array({vision.at("deepstack_visual_indexes").at(0u)}));
  text.set("num_experts", 4);
  text.set("num_experts_per_tok", 2);
  text.set("moe_intermediate_size", text.at("intermediate_size").integer() / 2);
  config.set("vision_config", vision);
  config.set("text_config", text);
  vlm::make_folder(folder);
  vlm::copy_companions(start, folder);
  vlm::write_file_atomically(folder + "/config.json", vlm::write_json(config, 2));
}

int main(int count, char** arguments) {
  CLI::App app("Trains a model with DeepStack<1> and a sparse decoder.");
  vlm::Recipe recipe{.data = {{}}, .learning_rate = 1e-3, .from_scratch = true};
  std::string start;
  recipe.context = 512;
  app.add_option("START", start,
                 "folder of a dense model: config.json, tokenizer.json, preprocessor_config.json")
      ->required();
  app.add_option("DATA", recipe.data[0].path, "JSONL file of conversations")->required();
  app.add_option("OUT", recipe.out, "folder for results")->required();
  app.add_option("--steps", recipe.steps, "updates")->capture_default_str();
  return example::run(app, count, arguments, [&] {
    recipe.start = recipe.out + "/start";
    write_variant(start, recipe.start);
    vlm::Trainer<vlm::S1, Variant> trainer(recipe);
    return trainer.run() == vlm::RunEnd::Finished ? 0 : 130;
  });
}
