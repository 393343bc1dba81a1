// Tokens per second of the whole trainer (data from files, step, log) beside the bare step: forward, loss, backward and
// update of a batch that lies ready.
#include <vlm/vlm.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "measure.hpp"

using namespace vlm;

namespace {

// A model and data of its own in a temporary folder: the toy's tokenizer and pictures, and a decoder and a tower of
// some size.
class Files {
 public:
  Files() {
    std::filesystem::create_directories(start());
    for (const char* name : {"tokenizer.json", "preprocessor_config.json"})
      write_file_atomically(start() + "/" + name, read_file(std::string(VLM_BENCH_TOY) + "/start/" + name));
    const std::string source = std::string(VLM_BENCH_TOY) + "/start/config.json";
    Json config = parse_json(read_file(source), source), text = config.at("text_config"),
         vision = config.at("vision_config");
    for (const auto& [name, value] : {std::pair{"hidden_size", 384},
                                      {"num_hidden_layers", 6},
                                      {"num_attention_heads", 6},
                                      {"num_key_value_heads", 2},
                                      {"intermediate_size", 1024}})
      text.set(name, value);
    text.set("head_dim", 64);
    Json scaling = text.at("rope_scaling");
    scaling.set("mrope_section", Json::array({12, 10, 10}));
    text.set("rope_scaling", scaling);
    for (const auto& [name, value] :
         {std::pair{"hidden_size", 192}, {"intermediate_size", 512}, {"num_heads", 3}})
      vision.set(name, value);
    vision.set("out_hidden_size", 384);
    config.set("text_config", text);
    config.set("vision_config", vision);
    write_file_atomically(start() + "/config.json", write_json(config));
    std::string lines;
    for (int i = 0; i < 600; ++i) {
      const std::string picture = std::string(VLM_BENCH_TOY) + (i % 2 ? "/red.ppm" : "/blue.ppm");
      std::string words;  // the same in another order, so that all steps have the same size
      for (int word = 0; word < 24; ++word) words += " word" + std::to_string(10 + (i + 7 * word) % 24);
      lines += write_json(Json::object(
                   {{"messages",
                     Json::array(
                         {Json::object(
                              {{"role", "user"},
                               {"content",
                                Json::array({Json::object({{"type", "image"}, {"image", picture}}),
                                             Json::object({{"type", "text"}, {"text", "Say" + words}})})}}),
                          Json::object({{"role", "assistant"}, {"content", "It says" + words}})})}})) +
               "\n";
    }
    write_file_atomically(data(), lines);
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  ~Files() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::string start() const { return folder_ + "/start"; }
  std::string data() const { return folder_ + "/data.jsonl"; }
  std::string out() const { return folder_ + "/out"; }

 private:
  static std::string made() {
    std::string path = (std::filesystem::temp_directory_path() / "vlm-bench-XXXXXX").string();
    if (!mkdtemp(path.data())) std::exit(2);
    return path;
  }

  std::string folder_ = made();
};

using Learning = S1;

// The step alone, on the first batch of the data.
class BareStep {
 public:
  using Net = Trainer<Learning>::Net;

  BareStep(const Files& files, const Recipe& recipe)
      : processor_(Processor::load(files.start())),
        net_(Net::make(processor_.config(), 1)),
        optimizer_(net_.parameters(), recipe.adamw),
        runtime_(recipe.threads) {
    Loader(recipe.data, processor_, {.context = recipe.context})
        .next_step(batches_, Learning::LossKind::power);
    const auto work = [&] { run(); };
    runtime_.plan(work);
  }
  Index tokens() const { return batches_.front().token_count(); }

  void run() {
    double loss = 0;
    net_.zero_gradients();
    run_training_pass(runtime_, net_, batches_.front(), tables_, loss);
    optimizer_.update(runtime_, ++step_, 1e-4, optimizer_.gradient_norm(runtime_));
  }

 private:
  Processor processor_;
  Net net_;
  AdamWOptimizer optimizer_;
  Runtime<Cpu> runtime_;
  Net::RopeTables tables_;
  std::vector<Batch> batches_;
  Index step_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  bench::Report report("trainer", count, arguments);
  const Files files;
  Recipe recipe{.start = files.start(), .data = {{files.data()}}, .out = files.out()};
  recipe.context = 2048;
  recipe.steps = 1000000;
  recipe.learning_rate = 1e-4;
  recipe.rate_shape = RateShape::Constant;
  recipe.from_scratch = true;
  recipe.threads = report.threads();
  BareStep bare(files, recipe);
  Trainer<Learning> trainer(recipe);
  StepLog log(files.out() + "/log.jsonl", 0);
  Progress progress("bench", recipe.steps, 10, true);
  const bench::Row row{.name = "whole trainer",
                       .shape = "6x384, tower 3x192, " + std::to_string(bare.tokens()) + " tokens",
                       .unit = "tokens/s",
                       .work = static_cast<double>(bare.tokens()),
                       .bar = 0.95};
  const auto whole = [&] {
    const Report done = trainer.step();
    log.add(done);
    progress.show(done);
  };
  report.compare(row, {"ours", whole}, {{"bare step", [&] { bare.run(); }}});
}
