// quantize FOLDER OUT: writes a model with its matrices in blocks of 8 or 4 bits, or in bf16 as products read it, for
// programs that answer. The files beside the weights are copied. Router, norms and position table keep their
// numbers, and mergers but with bf16.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>

#include <vlm/vlm.hpp>

#include "command_line.hpp"

namespace {

struct Options {
  std::string folder, out;
  vlm::FrozenWeights format = vlm::FrozenWeights::Int8;
};

int quantize(const Options& options) {
  namespace files = std::filesystem;
  if (files::exists(options.out) && files::equivalent(options.folder, options.out))
    throw vlm::ConfigError(
        "same-folder",
        {{"expected", "another folder than the model's"}, {"got", options.out}, {"try", "a new folder"}});
  files::create_directories(options.out);
  vlm::with_model(
      options.folder,
      [&](const auto& model) {
        std::size_t numbers = 0;
        for (const vlm::Parameter& p : model.parameters()) numbers += static_cast<std::size_t>(p.count);
        model.save(options.out);
        std::printf("%s, %.2f bits for each of %zu weights\n", vlm::bytes_text(model.weight_bytes()).c_str(),
                    8 * static_cast<double>(model.weight_bytes()) / static_cast<double>(numbers), numbers);
      },
      options.format);
  for (const files::directory_entry& entry : files::directory_iterator(options.folder)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file() || name.find(".safetensors") != name.npos || name == "config.json") continue;
    files::copy_file(entry.path(), options.out + "/" + name, files::copy_options::overwrite_existing);
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Writes a model with its matrices in blocks of 8 or 4 bits, or in bf16 as products read it.");
  Options options;
  app.add_option("FOLDER", options.folder, "the model")->required();
  app.add_option("OUT", options.out, "the folder to write")->required();
  app.add_option("--format", options.format,
                 "bits for a weight: int8 8.5 (the default), int4 4.4, bf16 12, or 16 where the "
                 "processor does not multiply bf16 or spread bytes")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, vlm::FrozenWeights>{{"bf16", vlm::FrozenWeights::Bf16},
                                                    {"int8", vlm::FrozenWeights::Int8},
                                                    {"int4", vlm::FrozenWeights::Int4}}));
  return example::run(app, count, arguments, [&] { return quantize(options); });
}
