// describe PATH: what a model consists of, from its config.json alone, and what a given work with it would need. PATH
// is a model folder or a config.json. Work is measured for the released types, Qwen3VL and Qwen3VLMoE.
// test: describe {toy}/start
// test: describe {toy}/start/config.json --list
// test: describe {toy}/start --image 300x200 --text 20 --answer 10
// test: describe {toy}/start --image 64x64 --image 32x96 --text 20 --samples 2 --train merger --recompute
#include <vlm/vlm.hpp>

#include "command_line.hpp"

struct Options {
  std::string path, train;
  std::vector<std::string> images;
  vlm::Work work;
  bool list = false, recompute = false;
  int threads = 0;
  bool asks_for_work() const { return !images.empty() || work.text_tokens > 0 || !train.empty(); }
};

void line(const char* what, std::size_t bytes) {
  std::printf("%-24s %20zu  %10s\n", what, bytes, vlm::bytes_text(bytes).c_str());
}

void print(const vlm::TrainingCosts& costs) {
  line("weights", costs.weights);
  line("gradients", costs.gradients);
  line("optimizer state", costs.optimizer);
  line("activations, scratch", costs.activations);
  line("patch rows", costs.patch_rows);
  line("in all", costs.total());
}

void print(const vlm::ServingCosts& costs) {
  std::printf("%-24s %20lld\n", "key/value cells", static_cast<long long>(costs.cells));
  line("weights", costs.weights);
  line("key/value cache", costs.cache);
  line("activations, scratch", costs.activations);
  line("patch rows", costs.patch_rows);
  line("in all", costs.total());
}

template <class Network, class... Parts>
void print_training(const vlm::ModelConfig& config, const Options& options) {
  using Set = vlm::Trainable<Parts...>;
  if (options.recompute)
    print(vlm::training_costs<vlm::Model<Network, vlm::Cpu, vlm::F32, Set, vlm::BlockInputs>>(
        config, options.work, options.threads));
  else
    print(vlm::training_costs<vlm::Model<Network, vlm::Cpu, vlm::F32, Set>>(config, options.work,
                                                                            options.threads));
}

template <class Network>
void print_costs(const vlm::ModelConfig& config, const Options& options) {
  using namespace vlm::part;
  if (options.train.empty())
    print(vlm::serving_costs<vlm::Model<Network, vlm::Cpu>>(config, options.work, options.threads));
  else if (options.train == "merger")
    print_training<Network, Merger>(config, options);
  else if (options.train == "decoder")
    print_training<Network, Decoder, Head>(config, options);
  else if (options.train == "merger,decoder")
    print_training<Network, Merger, Decoder, Head>(config, options);
  else
    print_training<Network, Encoder, Merger, Decoder, Head>(config, options);
}

// The grid that an image of "WIDTHxHEIGHT" pixels gets.
vlm::Grid grid_of(const std::string& image, const vlm::ImageSettings& settings) {
  long long width = 0, height = 0;
  int read = 0;
  if (std::sscanf(image.c_str(), "%9lldx%9lld%n", &width, &height, &read) != 2 ||
      read != static_cast<int>(image.size()) || width < 1 || height < 1)
    throw vlm::ConfigError("image-size", {{"expected", "WIDTHxHEIGHT in pixels, as in 1920x1080"},
                                          {"got", image},
                                          {"try", "--image 1920x1080"}});
  return vlm::image_grid(height, width, settings);
}

// The image settings that lie beside the configuration, or those of the released models.
vlm::ImageSettings image_settings(const std::string& path, const vlm::ModelConfig& config) {
  const std::string file = path + "/preprocessor_config.json";
  if (vlm::file_exists(file))
    return vlm::ImageSettings::from_json(vlm::parse_json(vlm::read_file(file), file));
  vlm::ImageSettings settings;
  settings.patch_size = config.vision.patch_size;
  settings.temporal_patch_size = config.vision.temporal_patch_size;
  settings.merge_size = config.vision.merge_size;
  return settings;
}

void describe_work(const vlm::ModelConfig& config, Options& options) {
  const vlm::ImageSettings settings = image_settings(options.path, config);
  for (const std::string& image : options.images) {
    const vlm::Grid grid = grid_of(image, settings);
    options.work.pictures.push_back(grid);
    std::printf("image %s: grid %s, %lld tokens\n", image.c_str(),
                vlm::shape_text(std::array{grid.frames, grid.height, grid.width}).c_str(),
                static_cast<long long>(grid.visual_tokens(settings.merge_size)));
  }
  std::printf("tokens of a sample: %lld, %lld of them visual\n",
              static_cast<long long>(options.work.tokens(config)),
              static_cast<long long>(options.work.visual_tokens(config)));
  if (config.text.experts > 0)
    print_costs<vlm::Qwen3VLMoE>(config, options);
  else
    print_costs<vlm::Qwen3VL>(config, options);
}

int main(int count, char** arguments) {
  CLI::App app("Prints what a model consists of, from config.json alone, and what a given work needs.");
  Options options;
  app.add_option("PATH", options.path, "model folder, or config.json")->required();
  app.add_flag("--list", options.list, "a line for each tensor with its whole name, instead of the tree");
  app.add_option("--image", options.images,
                 "an image in each sample, WIDTHxHEIGHT in pixels; may be repeated");
  app.add_option("--text", options.work.text_tokens, "text tokens of each sample");
  app.add_option("--samples", options.work.samples, "samples that pass together")->capture_default_str();
  app.add_option("--answer", options.work.answer_tokens, "tokens that each sample grows by");
  app.add_option("--train", options.train,
                 "what a training step needs, for these parts, instead of answering: all, merger, decoder or "
                 "merger,decoder")
      ->check(CLI::IsMember({"all", "merger", "decoder", "merger,decoder"}));
  app.add_flag("--recompute", options.recompute, "training keeps only the inputs of blocks");
  app.add_option("--threads", options.threads, "threads; 0 for as many as the machine gives")
      ->capture_default_str();
  return example::run(app, count, arguments, [&] {
    const vlm::Description description = vlm::describe(options.path);
    std::fputs((options.list ? description.list() : description.tree()).c_str(), stdout);
    std::fputs(description.totals().c_str(), stdout);
    if (options.asks_for_work()) describe_work(description.config, options);
    return 0;
  });
}
