// How a clip is sampled and resized: video_preprocessor_config.json, and the size that its frames get.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <variant>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>
#include <vlm/vision/frame_clock.hpp>
#include <vlm/vision/frame_sampling.hpp>
#include <vlm/vision/patches.hpp>

namespace vlm {

// The defaults are those of the released Qwen3-VL models.
struct VideoSettings {
  // Patches and normalisation; the budget counts the pixels of all sampled frames together.
  ImageSettings patches = with_budget({4096, 25165824});
  FrameSampling sampling;
  // Caps what one frame may cost, so that a short clip does not spend the whole budget on few frames: each has at
  // most max_video_tokens visual tokens' worth of pixels, and its even share of the budget.
  bool cap_pixels_per_frame = false;
  Index max_video_tokens = 768;
  TimeForm time_form = TimeForm::Seconds;  // of times in the text; no file says it

  // The released models' with the patches of these images.
  static VideoSettings for_images(const ImageSettings& images) {
    VideoSettings settings;
    const PixelBudget budget = settings.patches.budget;
    settings.patches = images;
    settings.patches.budget = budget;
    return settings;
  }
  // From video_preprocessor_config.json of a model's folder, or processor_config.json where that has a video_processor;
  // where neither is there, for_images.
  static VideoSettings load(const std::string& folder, const ImageSettings& images);
  static VideoSettings from_json(const Json& video_preprocessor_config);
  Json to_json() const;
  friend bool operator==(const VideoSettings&, const VideoSettings&) = default;

 private:
  static ImageSettings with_budget(PixelBudget budget) {
    ImageSettings settings;
    settings.budget = budget;
    return settings;
  }
};

inline void check_video_settings(const VideoSettings& settings) {
  check_image_settings(settings.patches);
  check_sampling(settings.sampling);
  if (settings.max_video_tokens < 1 || settings.max_video_tokens > max_image_pixels)
    throw ConfigError("video-settings", {{"field", "max_video_tokens"},
                                         {"expected", "1 to " + std::to_string(max_image_pixels)},
                                         {"got", std::to_string(settings.max_video_tokens)},
                                         {"try", "video_preprocessor_config.json of the published model"}});
}

namespace detail {

inline const Json* present(const Json& config, std::string_view key) {
  const Json* value = config.find(key);
  return value && !value->is_null() ? value : nullptr;
}

inline FrameSampling sampling_from_json(const Json& config) {
  FrameSampling sampling;
  const Json* fps = config.find("fps");
  const Json* count = present(config, "num_frames");
  const Json* samples = present(config, "do_sample_frames");
  if (fps && !fps->is_null() && count)
    throw ConfigError("video-sampling", {{"file", config.document()},
                                         {"field", count->path()},
                                         {"expected", "fps or num_frames, and null for the other"},
                                         {"got", "both"},
                                         {"try", "null for one of them"}});
  if (samples && !samples->boolean()) {
    sampling.rule = SampleNothing{};
  } else if (count) {
    sampling.rule = SampleCount{count->integer()};
  } else if (fps && fps->is_null()) {
    sampling.rule = SampleRange{};
  } else if (fps) {
    sampling.rule = SampleRate{fps->number()};
  }
  if (const Json* least = present(config, "min_frames")) sampling.min_frames = least->integer();
  if (const Json* most = present(config, "max_frames")) sampling.max_frames = most->integer();
  return sampling;
}

}  // namespace detail

// From video_preprocessor_config.json, or from processor_config.json of later releases, where the same object
// stands one level down. Pixel counts in either spelling: size.{shortest_edge, longest_edge} or {min,max}_pixels.
inline VideoSettings VideoSettings::from_json(const Json& video_preprocessor_config) {
  const Json* inner = video_preprocessor_config.find("video_processor");
  const Json& config = inner ? *inner : video_preprocessor_config;
  VideoSettings settings;
  settings.patches = ImageSettings::from_json(config);
  settings.sampling = detail::sampling_from_json(config);
  if (const Json* cap = detail::present(config, "cap_pixels_per_frame"))
    settings.cap_pixels_per_frame = cap->boolean();
  if (const Json* tokens = detail::present(config, "max_video_tokens"))
    settings.max_video_tokens = tokens->integer();
  check_video_settings(settings);
  return settings;
}

inline Json VideoSettings::to_json() const {
  Json config = patches.to_json();
  config.set("image_processor_type", nullptr);
  config.set("video_processor_type", "Qwen3VLVideoProcessor");
  const auto* rate = std::get_if<SampleRate>(&sampling.rule);
  const auto* count = std::get_if<SampleCount>(&sampling.rule);
  config.set("fps", rate ? Json(rate->frames_per_second) : Json());
  config.set("num_frames", count ? Json(count->frames) : Json());
  config.set("do_sample_frames", !std::holds_alternative<SampleNothing>(sampling.rule));
  config.set("min_frames", sampling.min_frames);
  config.set("max_frames", sampling.max_frames);
  config.set("cap_pixels_per_frame", cap_pixels_per_frame);
  config.set("max_video_tokens", max_video_tokens);
  return config;
}

inline VideoSettings VideoSettings::load(const std::string& folder, const ImageSettings& images) {
  for (const char* name : {"/video_preprocessor_config.json", "/processor_config.json"}) {
    const std::string path = folder + name;
    if (!file_exists(path)) continue;
    const Json config = parse_json(read_file(path), path);
    if (name[1] == 'v' || config.find("video_processor")) return from_json(config);
  }
  return for_images(images);
}

// The size of each of `frames` sampled frames: the multiples of the factor nearest to the sides (halves to even),
// scaled at one ratio when frames * height * width is outside the budget. Sides below the factor grow to it first.
// Source: smart_resize of the reference's Qwen3-VL video processor (transformers 5.23).
inline ImageSize smart_resize(Index frames, Index height, Index width, const VideoSettings& settings) {
  check_video_settings(settings);
  check_image_size(height, width, "frame to resize");
  const Index steps = settings.patches.temporal_patch_size, factor = settings.patches.factor();
  if (frames < steps || frames > max_sampled_frames)
    throw DataError("video-frames", {{"expected", std::to_string(steps) + " to " +
                                                      std::to_string(max_sampled_frames) + " sampled frames"},
                                     {"got", std::to_string(frames)},
                                     {"try", "hand a single frame over as an image"}});
  double h = static_cast<double>(height), w = static_cast<double>(width);
  const auto f = static_cast<double>(factor), n = static_cast<double>(frames);
  if (height < factor || width < factor) {
    const double scale = std::max(f / h, f / w);
    h = std::trunc(h * scale);
    w = std::trunc(w * scale);
  }
  if (std::max(h, w) / std::min(h, w) > 200)
    throw DataError("video-aspect",
                    {{"expected", "an aspect ratio of at most 200"},
                     {"got", "height " + std::to_string(height) + ", width " + std::to_string(width)},
                     {"try", "crop the frames"}});
  Index most = settings.patches.budget.max_pixels;
  const Index least = settings.patches.budget.min_pixels;
  if (settings.cap_pixels_per_frame) {
    const Index share = std::min(settings.max_video_tokens * factor * factor, most / frames);
    most = std::max(share, static_cast<Index>(static_cast<double>(least) * 1.05)) * frames;
  }
  const auto side = [factor](double blocks) { return static_cast<Index>(blocks) * factor; };
  const ImageSize nearest{side(std::nearbyint(h / f)), side(std::nearbyint(w / f))};
  const Index pixels = static_cast<Index>(std::nearbyint(n / static_cast<double>(steps))) * steps *
                       nearest.height * nearest.width;
  if (pixels > most) {
    const double beta = std::sqrt(n * h * w / static_cast<double>(most));
    return {std::max(factor, side(std::floor(h / beta / f))),
            std::max(factor, side(std::floor(w / beta / f)))};
  }
  if (pixels < least) {
    const double beta = std::sqrt(static_cast<double>(least) / (n * h * w));
    return {side(std::ceil(h * beta / f)), side(std::ceil(w * beta / f))};
  }
  return nearest;
}

}  // namespace vlm
