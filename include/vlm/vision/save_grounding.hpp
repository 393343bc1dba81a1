// An answer on its picture as a PNG file, in one call.
#pragma once

#include <string>
#include <string_view>

#include <vlm/vision/draw.hpp>
#include <vlm/vision/grounding.hpp>
#include <vlm/vision/grounding_parser.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/image_codecs.hpp>
#include <vlm/vision/resize.hpp>

namespace vlm {

// Draws the boxes and points of an answer, with their labels, on a copy of the picture that was asked about, and saves
// that as PNG. Gives what was found in the answer, in pixels of the picture. FileError where it cannot be written;
// ConfigError in a program without vlm::image.
inline Grounding save_grounding(const std::string& path, Image picture, std::string_view answer) {
  Grounding found = parse_grounding(answer, {picture.height, picture.width});
  draw(picture, found);
  write_png(path, picture);
  return found;
}

}  // namespace vlm
