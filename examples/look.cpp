// look FOLDER IMAGE [--rows OUT.safetensors] [--png OUT.png]: what the model of a folder makes of an image: its grid, its
// tokens, what it costs, and with --png the image at the size that the model sees.
//
// test: look {toy}/start {toy}/red.ppm --rows rows.safetensors
// test image: look {toy}/start {toy}/../golden/images/turned_6.jpg --rows rows.safetensors --png seen.png
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

#include <vlm/vlm.hpp>

#include "command_line.hpp"

namespace {

using vlm::Index;

struct Options {
  std::string folder, path, rows, png;
  int threads = 0;
};

// What was seen, whatever kind of file it came from.
struct Seen {
  vlm::ImageSettings settings;
  vlm::PatchedImage patches;
  vlm::Image picture;  // for --png
};

void print_number(const char* what, Index number, const char* unit = "") {
  std::printf("%-14s %lld%s\n", what, static_cast<long long>(number), unit);
}

// The header is judged first, so that the cost stands there even if the memory for it is missing.
Seen see_image(const Options& options) {
  Seen seen{vlm::ImageSettings::load(options.folder), {}, {}};
  const vlm::MappedFile file(options.path);
  const vlm::ImageHeader header = vlm::read_image_header(file.text(), options.path);
  const vlm::ImageCost cost = vlm::image_cost(header, seen.settings);
  const auto side = [](Index size) { return static_cast<long long>(size); };
  std::printf("%-14s %lld x %lld\n", "height x width", side(header.height), side(header.width));
  std::printf("%-14s %lld x %lld\n", "resized", side(cost.resized.height), side(cost.resized.width));
  std::printf("%-14s %lld x %lld x %lld\n", "grid", side(cost.grid.frames), side(cost.grid.height),
              side(cost.grid.width));
  print_number("tokens", cost.tokens);
  print_number("patch rows", cost.row_bytes, " bytes");
  print_number("decoding", cost.decoded_bytes, " bytes of pixels at once");
  std::fflush(stdout);

  vlm::Queue<vlm::Cpu> queue(options.threads);
  seen.patches = vlm::patchify(*vlm::open_image(file.text(), options.path), seen.settings, queue);
  if (!options.png.empty())
    seen.picture = vlm::resize_bicubic(vlm::decode_image(file.text(), options.path), cost.resized.height,
                                       cost.resized.width, queue);
  return seen;
}

void save_rows(const Seen& seen, const std::string& path) {
  const vlm::Grid& grid = seen.patches.grid;
  const std::int64_t extents[] = {grid.frames, grid.height, grid.width};
  vlm::SafetensorsWriter writer(path);
  writer.declare("pixel_values", vlm::DType::F32, {grid.patches(), seen.settings.features()});
  writer.declare("grid_thw", vlm::DType::I64, {1, 3});
  writer.write("pixel_values", std::as_bytes(std::span(seen.patches.rows)));
  writer.write("grid_thw", std::as_bytes(std::span(extents)));
  writer.commit();
}

void save_picture([[maybe_unused]] const vlm::Image& picture, const std::string& path) {
#if VLM_HAS_IMAGE
  vlm::write_png(path, picture);
#else
  throw vlm::ConfigError("image-format", {{"file", path},
                                          {"expected", "a program that was built with vlm::image"},
                                          {"got", "one that writes no PNG"}});
#endif
}

int look(const Options& options) {
  const Seen seen = see_image(options);
  if (!options.rows.empty()) save_rows(seen, options.rows);
  if (!options.png.empty()) save_picture(seen.picture, options.png);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Shows what a model makes of an image: its grid, its tokens, and what it costs.");
  Options options;
  app.add_option("FOLDER", options.folder, "the model: preprocessor_config.json or processor_config.json")
      ->required();
  app.add_option("IMAGE", options.path, "JPEG, PNG, WebP, GIF, BMP, PPM or PGM")->required();
  app.add_option("--rows", options.rows, "file for the patch rows: pixel_values, grid_thw (safetensors)");
  app.add_option("--png", options.png, "file for the image at the size that the model sees");
  app.add_option("--threads", options.threads, "0: one per processor")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  return example::run(app, count, arguments, [&] { return look(options); });
}
