// The golden clips of tests/golden/make_video.py: what each is, and what the reference makes of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>
#include <vlm/vision/video.hpp>
#include <vlm/vision/video_settings.hpp>

namespace clips {

inline const std::string folder = "tests/golden/video/";

struct Clip {
  std::string name, file, text;  // file is empty where the frames are a formula
  vlm::Index frames, height, width;
  double rate;
  vlm::VideoSettings settings;
  std::vector<vlm::Index> indices, grid;
  vlm::Index checksum;  // FNV-1a of the rows
};

inline std::vector<Clip> read() {
  const std::string path = folder + "clips.json";
  std::vector<Clip> clips;
  const vlm::Json document = vlm::parse_json(vlm::read_file(path), path);
  for (const vlm::Json& entry : document.at("clips").items()) {
    const auto list = [&](const char* key) {
      std::vector<vlm::Index> numbers;
      for (const vlm::Json& item : entry.at(key).items()) numbers.push_back(item.integer());
      return numbers;
    };
    const std::string& rate = entry.at("rate").string();
    const std::size_t slash = rate.find('/');
    const vlm::Json* file = entry.find("file");
    clips.push_back({.name = entry.at("name").string(),
                     .file = file ? file->string() : "",
                     .text = entry.at("text").string(),
                     .frames = entry.at("frames").integer(),
                     .height = entry.at("height").integer(),
                     .width = entry.at("width").integer(),
                     .rate = std::stod(rate) / (slash == rate.npos ? 1.0 : std::stod(rate.substr(slash + 1))),
                     .settings = vlm::VideoSettings::from_json(entry.at("settings")),
                     .indices = list("indices"),
                     .grid = list("grid"),
                     .checksum = entry.at("checksum").integer()});
  }
  return clips;
}

// The clip whose frames are the script's formula.
inline vlm::Video formula(const Clip& clip) {
  return vlm::Video(
      clip.frames, {clip.height, clip.width}, vlm::FrameClock::rate(clip.rate), [=](vlm::Index t) {
        vlm::Image image(clip.height, clip.width);
        for (vlm::Index y = 0; y < clip.height; ++y)
          for (vlm::Index x = 0; x < clip.width; ++x)
            for (vlm::Index c = 0; c < 3; ++c)
              image.at(y, x)[c] =
                  static_cast<std::uint8_t>(37 * y + 59 * x + 83 * c + 7 * y * x + 41 * t + 3 * t * x);
        return image;
      });
}

// Compares what the library makes of a clip with what the reference made: indices, grid, text and rows.
void check(const Clip& clip, const vlm::Video& video);

}  // namespace clips
