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

// What is trained, and on what.
struct Setting {
  std::string shape;
  Index width, layers, heads, key_heads, head, middle;                // of the decoder
  Index tower_width, tower_layers, tower_heads, tower_middle, patch;  // of the tower
  std::vector<int> sections;                                          // of the positions
  bool photographs;  // questions about small ones in an IDX file, as the quick start has; else long texts
};

const Setting settings[] = {
    {"6x384, tower 3x192", 384, 6, 6, 2, 64, 1024, 192, 3, 3, 512, 4, {12, 10, 10}, false},
    {"4x128, tower 4x128, photographs", 128, 4, 4, 2, 32, 256, 128, 4, 4, 512, 7, {6, 5, 5}, true}};

// A model and data of its own in a temporary folder, with the toy's tokenizer.
class Files {
 public:
  explicit Files(const Setting& setting) {
    std::filesystem::create_directories(start());
    const std::string toy = std::string(VLM_BENCH_TOY) + "/start/";
    write_file_atomically(start() + "/tokenizer.json", read_file(toy + "tokenizer.json"));
    const ImageSettings pictures{
        .patch_size = setting.patch,
        .budget = {.min_pixels = 64, .max_pixels = setting.photographs ? 3136 : 1024}};
    write_file_atomically(start() + "/preprocessor_config.json", write_json(pictures.to_json()));
    write_config(setting, toy + "config.json");
    std::string lines;
    if (setting.photographs) write_file_atomically(folder_ + "/photographs.idx", photographs());
    for (int i = 0; i < samples; ++i) lines += setting.photographs ? question(i) : long_texts(i);
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
  static constexpr int samples = 600, side = 28;

  void write_config(const Setting& setting, const std::string& source) const {
    Json config = parse_json(read_file(source), source), text = config.at("text_config"),
         vision = config.at("vision_config"), scaling = text.at("rope_scaling");
    for (const auto& [name, value] : {std::pair{"hidden_size", setting.width},
                                      {"num_hidden_layers", setting.layers},
                                      {"num_attention_heads", setting.heads},
                                      {"num_key_value_heads", setting.key_heads},
                                      {"head_dim", setting.head},
                                      {"intermediate_size", setting.middle}})
      text.set(name, value);
    scaling.set("mrope_section",
                Json::array(std::vector<Json>(setting.sections.begin(), setting.sections.end())));
    text.set("rope_scaling", scaling);
    Json taps = Json::array();
    for (Index i = 0; i < 3; ++i) taps.push_back(setting.tower_layers - 3 + i);
    vision.set("deepstack_visual_indexes", taps);
    for (const auto& [name, value] : {std::pair{"hidden_size", setting.tower_width},
                                      {"depth", setting.tower_layers},
                                      {"num_heads", setting.tower_heads},
                                      {"intermediate_size", setting.tower_middle},
                                      {"patch_size", setting.patch},
                                      {"out_hidden_size", setting.width}})
      vision.set(name, value);
    config.set("text_config", text);
    config.set("vision_config", vision);
    write_file_atomically(start() + "/config.json", write_json(config));
  }

  static std::string photographs() {
    std::string bytes("\0\0\x08\x03", 4);
    for (const int extent : {samples, side, side})
      for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(extent >> shift & 0xff);
    for (int i = 0; i < samples * side * side; ++i) bytes += static_cast<char>(i % 251);
    return bytes;
  }
  std::string question(int i) const {
    return line(folder_ + "/photographs.idx#" + std::to_string(i), "What?",
                "W" + std::to_string(10 + i % 90));
  }
  // The same words in another order, so that all steps have the same size.
  static std::string long_texts(int i) {
    std::string words;
    for (int word = 0; word < 24; ++word) words += " word" + std::to_string(10 + (i + 7 * word) % 24);
    return line(std::string(VLM_BENCH_TOY) + (i % 2 ? "/red.ppm" : "/blue.ppm"), "Say" + words,
                "It says" + words);
  }
  static std::string line(const std::string& picture, const std::string& asked, const std::string& answer) {
    const Json shown = Json::object({{"type", "image"}, {"image", picture}}),
               text = Json::object({{"type", "text"}, {"text", asked}});
    return write_json(Json::object(
               {{"messages",
                 Json::array({Json::object({{"role", "user"}, {"content", Json::array({shown, text})}}),
                              Json::object({{"role", "assistant"}, {"content", answer}})})}})) +
           "\n";
  }
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
  for (const Setting& setting : settings) {
    const Files files(setting);
    Recipe recipe{.start = files.start(), .data = {{files.data()}}, .out = files.out()};
    recipe.context = setting.photographs ? 3072 : 2048;
    recipe.steps = 1000000;
    recipe.learning_rate = 1e-4;
    recipe.rate_shape = RateShape::Constant;
    recipe.from_scratch = true;
    recipe.threads = report.threads();
    BareStep bare(files, recipe);
    Trainer<Learning> trainer(recipe);
    StepLog log(files.out() + "/log.jsonl", 0);
    Progress progress("bench", recipe.steps, 10, true);
    // Several steps in a call, so that the data of all but the first are prepared while it runs.
    constexpr int steps = 4;
    const auto tokens = static_cast<double>(bare.tokens());
    const bench::Row row{.name = "whole trainer",
                         .shape = setting.shape + ", " + std::to_string(bare.tokens()) + " tokens",
                         .unit = "tokens/s",
                         .work = steps * tokens,
                         .bar = 0.95};
    const auto whole = [&] {
      for (int i = 0; i < steps; ++i) {
        const Report done = trainer.step();
        log.add(done);
        progress.show(done);
      }
    };
    const auto alone = [&] {
      for (int i = 0; i < steps; ++i) bare.run();
    };
    report.compare(row, {"ours", whole}, {{"bare step", alone}});
  }
}
