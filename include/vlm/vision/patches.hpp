// An image becomes rows of patches for the vision encoder: resized to the patch grid, normalised, cut up, in one pass.
// With p, tp, m = patch size, temporal patch size, merge size, rows are [gt * gh * gw, 3 * tp * p * p]:
// ordered by merge window (m x m patches), row-major inside it; features are ordered (channel, time, y, x).
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/queue.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/core/unzeroed.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/image_rows.hpp>
#include <vlm/vision/pixel_pass.hpp>
#include <vlm/vision/resize.hpp>

namespace vlm {

// The settings of a model's image processor; the defaults are those of the released Qwen3-VL models.
struct ImageSettings {
  Index patch_size = 16;
  Index temporal_patch_size = 2;
  Index merge_size = 2;
  PixelBudget budget;
  std::array<double, 3> mean = {0.5, 0.5, 0.5};
  std::array<double, 3> std = {0.5, 0.5, 0.5};

  Index factor() const { return patch_size * merge_size; }
  // Values of one patch row.
  Index features() const { return 3 * temporal_patch_size * patch_size * patch_size; }

  // From processor_config.json where it holds them, or else preprocessor_config.json, of a model's folder.
  static ImageSettings load(const std::string& folder);
  // From the content of either.
  static ImageSettings from_json(const Json& preprocessor_config);
  Json to_json() const;
  friend bool operator==(const ImageSettings&, const ImageSettings&) = default;
};

// Extents of an image or video in patches: gt, gh, gw.
struct Grid {
  Index frames = 1;
  Index height = 0;
  Index width = 0;

  Index patches() const { return frames * height * width; }
  // Placeholder tokens in the text.
  Index visual_tokens(Index merge_size) const { return patches() / (merge_size * merge_size); }
  friend bool operator==(const Grid&, const Grid&) = default;
};

inline void check_image_settings(const ImageSettings& settings) {
  const auto in_range = [](Index size) { return size >= 1 && size <= 1024; };
  if (!in_range(settings.patch_size) || !in_range(settings.temporal_patch_size) ||
      !in_range(settings.merge_size))
    throw ConfigError("image-settings",
                      {{"expected", "patch_size, temporal_patch_size, merge_size from 1 to 1024"},
                       {"got", shape_text(std::array{settings.patch_size, settings.temporal_patch_size,
                                                     settings.merge_size})},
                       {"try", "preprocessor_config.json of the published model"}});
  for (double deviation : settings.std)
    if (!(deviation > 0))
      throw ConfigError("image-settings", {{"field", "image_std"},
                                           {"expected", "three positive numbers"},
                                           {"got", std::to_string(deviation)},
                                           {"try", "preprocessor_config.json of the published model"}});
  check_pixel_budget(settings.budget, settings.factor());
}

namespace detail {

inline std::array<double, 3> three_numbers(const Json& list) {
  if (list.items().size() != 3)
    throw ConfigError("image-settings", {{"file", list.document()},
                                         {"field", list.path()},
                                         {"expected", "three numbers, one per channel"},
                                         {"got", std::to_string(list.items().size()) + " numbers"},
                                         {"try", "preprocessor_config.json of the published model"}});
  return {list.at(std::size_t{0}).number(), list.at(std::size_t{1}).number(),
          list.at(std::size_t{2}).number()};
}

// A step that this library always takes must not be switched off, or set to something else, in the file.
inline void check_fixed_setting(const Json& config, std::string_view key, double only) {
  const Json* value = config.find(key);
  if (!value || value->is_null()) return;
  const double got = value->is_bool() ? value->boolean() : value->number();
  if (got - only < 1e-6 && only - got < 1e-6) return;
  throw ConfigError("image-settings", {{"file", config.document()},
                                       {"field", value->path()},
                                       {"expected", std::to_string(only)},
                                       {"got", std::to_string(got)},
                                       {"try", "process such images before they are handed to the library"}});
}

// A pixel count: `alias` (min_pixels, max_pixels) beside `size`, or else `key` (shortest_edge, longest_edge) or `alias`
// in it.
inline Index pixel_count(const Json& config, std::string_view key, std::string_view alias) {
  if (const Json* value = config.find(alias); value && !value->is_null()) return value->integer();
  const Json& size = config.at("size");
  if (const Json* value = size.find(key); value && !value->is_null()) return value->integer();
  if (const Json* value = size.find(alias); value && !value->is_null()) return value->integer();
  return size.at(key).integer();
}

}  // namespace detail

inline ImageSettings ImageSettings::from_json(const Json& preprocessor_config) {
  // processor_config.json of later releases holds the same object one level down.
  const Json* inner = preprocessor_config.find("image_processor");
  const Json& config = inner ? *inner : preprocessor_config;
  for (std::string_view step : {"do_resize", "do_rescale", "do_normalize", "do_convert_rgb"})
    detail::check_fixed_setting(config, step, 1);
  detail::check_fixed_setting(config, "rescale_factor", 1.0 / 255);
  detail::check_fixed_setting(config, "resample", 3);
  ImageSettings settings;
  settings.patch_size = config.at("patch_size").integer();
  settings.temporal_patch_size = config.at("temporal_patch_size").integer();
  settings.merge_size = config.at("merge_size").integer();
  settings.budget.min_pixels = detail::pixel_count(config, "shortest_edge", "min_pixels");
  settings.budget.max_pixels = detail::pixel_count(config, "longest_edge", "max_pixels");
  settings.mean = detail::three_numbers(config.at("image_mean"));
  settings.std = detail::three_numbers(config.at("image_std"));
  check_image_settings(settings);
  return settings;
}

inline ImageSettings ImageSettings::load(const std::string& folder) {
  const std::string later = folder + "/processor_config.json", file = folder + "/preprocessor_config.json";
  if (file_exists(later)) {
    const Json config = parse_json(read_file(later), later);
    if (config.find("image_processor")) return from_json(config);
  }
  return from_json(parse_json(read_file(file), file));
}

inline Json ImageSettings::to_json() const {
  const auto numbers = [](const std::array<double, 3>& list) {
    return Json::array({list[0], list[1], list[2]});
  };
  const Json size = Json::object({{"shortest_edge", budget.min_pixels}, {"longest_edge", budget.max_pixels}});
  return Json::object({{"image_processor_type", "Qwen2VLImageProcessorFast"},
                       {"size", size},
                       {"patch_size", patch_size},
                       {"temporal_patch_size", temporal_patch_size},
                       {"merge_size", merge_size},
                       {"image_mean", numbers(mean)},
                       {"image_std", numbers(std)}});
}

// The grid that an image of this size gets.
inline Grid image_grid(Index height, Index width, const ImageSettings& settings) {
  const ImageSize size = smart_resize(height, width, settings.factor(), settings.budget);
  return {1, size.height / settings.patch_size, size.width / settings.patch_size};
}

// Patches as the vision encoder reads them: [patches, channels * temporal * size * size].
using PatchRows = std::vector<float, Unzeroed<float>>;

// What the vision encoder receives for one image: grid.patches() rows of settings.features() values.
struct PatchedImage {
  Grid grid;
  PatchRows rows;
};

// Which of the temporal_patch_size slices of its patches a frame fills.
struct Slices {
  Index first = 0, count = 1;
};

// Writes one frame into the patch rows of a grid that has (size.height / p) * (size.width / p) of them: resized, and in
// fp32 (level - 255 mean) / (255 std) of each channel, as the reference computes it. Decoding, resizing and writing run at
// once, on the threads of `queue`; their number changes no bit.
inline void write_frame(ImageRows& frame, ImageSize size, Slices slices, const ImageSettings& settings,
                        float* rows, Queue<Cpu>& queue) {
  const Index factor = settings.factor();
  if (size.height < 1 || size.width < 1 || size.height % factor != 0 || size.width % factor != 0)
    throw ShapeError("image-grid", {{"expected", "sides that are multiples of " + std::to_string(factor)},
                                    {"got", shape_text(std::array{size.height, size.width})},
                                    {"try", "resize the image first, to the size that smart_resize gives"}});
  if (slices.first < 0 || slices.count < 1 || slices.first + slices.count > settings.temporal_patch_size)
    throw ShapeError("image-slices",
                     {{"expected", "slices of " + std::to_string(settings.temporal_patch_size)},
                      {"got", shape_text(std::array{slices.first, slices.count})},
                      {"try", "whole slices of the picture or clip"}});
  detail::PatchTarget target{.height = size.height,
                             .width = size.width,
                             .patch = settings.patch_size,
                             .merge = settings.merge_size,
                             .slices = settings.temporal_patch_size,
                             .first_slice = slices.first,
                             .last_slice = slices.first + slices.count,
                             .rows = rows};
  for (std::size_t c = 0; c < 3; ++c) {
    target.mean[c] = static_cast<float>(settings.mean[c]) * 255.0f;
    target.deviation[c] = static_cast<float>(settings.std[c]) * 255.0f;
  }
  detail::patch_rows<>(frame, target, queue);
}

// Writes the patch rows of a still image, which fills every slice, to memory that the caller has made for its grid.
inline void write_patches(ImageRows& image, const ImageSettings& settings, float* rows, Queue<Cpu>& queue) {
  const ImageSize size = smart_resize(image.height(), image.width(), settings.factor(), settings.budget);
  write_frame(image, size, {0, settings.temporal_patch_size}, settings, rows, queue);
}

inline PatchedImage patchify(ImageRows& image, const ImageSettings& settings, Queue<Cpu>& queue) {
  PatchedImage patched{image_grid(image.height(), image.width(), settings), {}};
  patched.rows.resize(static_cast<std::size_t>(patched.grid.patches() * settings.features()));
  write_patches(image, settings, patched.rows.data(), queue);
  return patched;
}
// From an image in memory, on the calling thread.
inline PatchedImage patchify(const Image& image, const ImageSettings& settings) {
  check_image(image, "image to cut up");
  Queue<Cpu> queue(1);
  RowsOfImage rows(image);
  return patchify(rows, settings, queue);
}

}  // namespace vlm
