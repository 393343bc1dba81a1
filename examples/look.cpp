// look FOLDER IMAGE_OR_VIDEO [--rows OUT.safetensors] [--png OUT.png]: what the model of a folder makes of an image or a
// video: its grid, its tokens, what it costs, and with --png the image at the size that the model sees, or of a video one
// frame of each temporal step.
//
// test: look {toy}/start {toy}/red.ppm --rows rows.safetensors
// test image: look {toy}/start {toy}/../golden/images/turned_6.jpg --rows rows.safetensors --png seen.png
// test video: look {toy}/start {toy}/../golden/video/turned.mp4 --rows rows.safetensors
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <utility>

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

void print_size(const char* what, vlm::ImageSize size) {
  std::printf("%-14s %lld x %lld\n", what, static_cast<long long>(size.height),
              static_cast<long long>(size.width));
}

void print_grid(const vlm::Grid& grid) {
  std::printf("%-14s %lld x %lld x %lld\n", "grid", static_cast<long long>(grid.frames),
              static_cast<long long>(grid.height), static_cast<long long>(grid.width));
}

void print_number(const char* what, Index number, const char* unit = "") {
  std::printf("%-14s %lld%s\n", what, static_cast<long long>(number), unit);
}

// The header is judged first, so that the cost stands there even if the memory for it is missing.
Seen see_image(const Options& options) {
  Seen seen{vlm::ImageSettings::load(options.folder), {}, {}};
  const vlm::MappedFile file(options.path);
  const vlm::ImageHeader header = vlm::read_image_header(file.text(), options.path);
  const vlm::ImageCost cost = vlm::image_cost(header, seen.settings);
  print_size("height x width", {header.height, header.width});
  print_size("resized", cost.resized);
  print_grid(cost.grid);
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

// One frame of each temporal step, in rows from left to right.
vlm::Image film_of(const vlm::Video& video, const vlm::VideoPlan& plan, Index step_frames,
                   vlm::Queue<vlm::Cpu>& queue) {
  const auto columns = static_cast<Index>(std::ceil(std::sqrt(static_cast<double>(plan.grid.frames))));
  const Index rows = (plan.grid.frames + columns - 1) / columns;
  vlm::Image film(rows * plan.size.height, columns * plan.size.width, "one frame of each step");
  vlm::Image storage;
  for (Index step = 0; step < plan.grid.frames; ++step) {
    const Index index = plan.frames[static_cast<std::size_t>(step * step_frames)];
    const vlm::Image seen =
        vlm::resize_bicubic(video.frame(index, storage), plan.size.height, plan.size.width, queue);
    for (Index y = 0; y < plan.size.height; ++y)
      std::memcpy(film.at(step / columns * plan.size.height + y, step % columns * plan.size.width),
                  seen.at(y, 0), static_cast<std::size_t>(3 * plan.size.width));
  }
  return film;
}

Seen see_video(const Options& options) {
  const vlm::VideoSettings settings =
      vlm::VideoSettings::load(options.folder, vlm::ImageSettings::load(options.folder));
  const vlm::Video video = vlm::open_video(options.path);
  const vlm::VideoPlan plan = vlm::plan_video(video, settings);
  print_size("height x width", video.size());
  print_size("resized", plan.size);
  print_number("frames", video.frames());
  print_number("sampled", static_cast<Index>(plan.frames.size()));
  print_grid(plan.grid);
  print_number("tokens", plan.grid.visual_tokens(settings.patches.merge_size));
  print_number("patch rows", plan.grid.patches() * settings.patches.features() * Index{sizeof(float)},
               " bytes");
  std::printf("%-14s", "times");
  for (const double time : plan.times) std::printf(" <%s>", vlm::time_text(time).c_str());
  std::printf("\n");
  std::fflush(stdout);

  vlm::Queue<vlm::Cpu> queue(options.threads);
  vlm::PatchedVideo patched = vlm::patchify(video, settings, queue);
  Seen seen{settings.patches, {patched.grid, std::move(patched.rows)}, {}};
  if (!options.png.empty()) seen.picture = film_of(video, plan, settings.patches.temporal_patch_size, queue);
  return seen;
}

// What is no image may be a video, where the program opens those.
Seen see(const Options& options) {
  try {
    return see_image(options);
  } catch (const vlm::DataError& error) {
    if (!VLM_HAS_VIDEO || error.id() != "image-format") throw;
  }
  try {
    return see_video(options);
  } catch (const vlm::FileError& error) {
    if (error.id() != "video-format") throw;
  }
  throw vlm::FileError("picture-file",
                       {{"file", options.path},
                        {"expected", "an image or a video"},
                        {"got", vlm::format_name(vlm::MappedFile(options.path).text())},
                        {"try", "JPEG, PNG, WebP, GIF, BMP, PBM, PGM, PPM; MP4, MKV, WebM, AVI and others"}});
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

int look(const Options& options) {
#if VLM_HAS_VIDEO
  av_log_set_level(AV_LOG_QUIET);  // what goes wrong is said once
#endif
  const Seen seen = see(options);
  if (!options.rows.empty()) save_rows(seen, options.rows);
  if (!options.png.empty()) vlm::write_png(options.png, seen.picture);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Shows what a model makes of an image or a video: its grid, its tokens, and what it costs.");
  Options options;
  app.add_option("FOLDER", options.folder, "the model: preprocessor_config.json or processor_config.json")
      ->required();
  app.add_option("IMAGE_OR_VIDEO", options.path,
                 "JPEG, PNG, WebP, GIF, BMP, PBM, PGM, PPM; MP4, MKV, WebM, AVI, ...")
      ->required();
  app.add_option("--rows", options.rows, "file for the patch rows: pixel_values, grid_thw (safetensors)");
  app.add_option("--png", options.png, "file for the image at the size that the model sees");
  app.add_option("--threads", options.threads, "0: one per processor")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  return example::run(app, count, arguments, [&] { return look(options); });
}
