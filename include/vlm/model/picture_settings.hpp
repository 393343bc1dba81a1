// Whether a folder's settings of pictures are those of its tower.
#pragma once

#include <string>
#include <string_view>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/model/config.hpp>
#include <vlm/vision/patches.hpp>
#include <vlm/vision/video_settings.hpp>

namespace vlm {

// Throws ConfigError [picture-settings] for images or videos whose patches the tower cannot take.
inline void check_picture_settings(const VisionSizes& vision, const ImageSettings& images,
                                   const VideoSettings& videos) {
  const auto check = [](std::string_view field, std::string_view file, Index expected, Index got) {
    if (expected == got) return;
    throw ConfigError("picture-settings",
                      {{"field", std::string(field) + " of " + std::string(file)},
                       {"expected", std::to_string(expected) + ", as in vision_config of config.json"},
                       {"got", std::to_string(got)},
                       {"try", "take config.json and " + std::string(file) + " from one place"}});
  };
  const auto check_patches = [&](std::string_view file, const ImageSettings& settings) {
    check("patch_size", file, vision.patch_size, settings.patch_size);
    check("temporal_patch_size", file, vision.temporal_patch_size, settings.temporal_patch_size);
    check("merge_size", file, vision.merge_size, settings.merge_size);
  };
  check_patches("preprocessor_config.json", images);
  check_patches("video_preprocessor_config.json", videos.patches);
  check("channels (always RGB)", "preprocessor_config.json", vision.channels, 3);
}

}  // namespace vlm
