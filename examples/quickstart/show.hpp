// Shows images in a terminal: two pixels per character as coloured half blocks, or ASCII where the output is
// no terminal or knows no colour.
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/vision/image.hpp>

namespace show {

enum class Colors { None, Palette256, All };

inline Colors colors_of(std::FILE* out) {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string_view(value ? value : "");
  };
  if (!isatty(fileno(out)) || !variable("NO_COLOR").empty() || variable("TERM") == "dumb")
    return Colors::None;
  if (variable("COLORTERM") == "truecolor" || variable("COLORTERM") == "24bit") return Colors::All;
  return variable("TERM").find("256color") != std::string_view::npos ? Colors::Palette256 : Colors::None;
}

inline int columns_of(std::FILE* out) {
  winsize size{};
  return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// The escape sequence that sets the colour of the ink (38) or of the background (48).
inline std::string color_code(int layer, const std::uint8_t* rgb, Colors colors) {
  const std::string start = "\x1b[" + std::to_string(layer);
  if (colors == Colors::All)
    return start + ";2;" + std::to_string(rgb[0]) + ";" + std::to_string(rgb[1]) + ";" +
           std::to_string(rgb[2]) + "m";
  const bool grey = rgb[0] == rgb[1] && rgb[1] == rgb[2];
  const int cube = 16 + 36 * ((rgb[0] + 25) / 51) + 6 * ((rgb[1] + 25) / 51) + (rgb[2] + 25) / 51;
  return start + ";5;" + std::to_string(grey ? 232 + rgb[0] * 23 / 255 : cube) + "m";
}

// One line of text for every two rows of pixels.
inline std::vector<std::string> image_lines(const vlm::Image& image, Colors colors) {
  constexpr std::string_view shades = " .:-=+*#%@";
  const std::uint8_t black[3] = {};
  std::vector<std::string> lines;
  for (vlm::Index y = 0; y < image.height; y += 2) {
    std::string line;
    for (vlm::Index x = 0; x < image.width; ++x) {
      const std::uint8_t* upper = image.at(y, x);
      const std::uint8_t* lower = y + 1 < image.height ? image.at(y + 1, x) : black;
      int light = 0;
      for (int c = 0; c < 3; ++c) light += upper[c] + lower[c];
      if (colors == Colors::None)
        line += shades[static_cast<std::size_t>(light) * shades.size() / (6 * 255 + 1)];
      else
        line += color_code(38, upper, colors) + color_code(48, lower, colors) + "\u2580";
    }
    lines.push_back(colors == Colors::None ? line : line + "\x1b[0m");
  }
  return lines;
}

struct Shown {
  vlm::Image image;
  std::vector<std::string> captions;  // lines of ASCII below the image
};

// The lines of an image and its captions, each `width` characters wide, `height` in all.
inline std::vector<std::string> block_of(const Shown& shown, std::size_t width, std::size_t height,
                                         Colors colors) {
  std::vector<std::string> block = image_lines(shown.image, colors);
  for (std::string& line : block)
    line += std::string(width - static_cast<std::size_t>(shown.image.width), ' ');
  for (const std::string& caption : shown.captions)
    block.push_back(caption + std::string(width - caption.size(), ' '));
  block.resize(height, std::string(width, ' '));
  return block;
}

// Prints the images side by side, as many in a row as the terminal is wide.
inline void show_images(const std::vector<Shown>& images, std::FILE* out) {
  std::size_t width = 1, height = 0;
  for (const Shown& shown : images) {
    width = std::max(width, static_cast<std::size_t>(shown.image.width));
    for (const std::string& caption : shown.captions) width = std::max(width, caption.size());
    height = std::max(height, static_cast<std::size_t>(shown.image.height + 1) / 2 + shown.captions.size());
  }
  const std::size_t per_row =
      std::max<std::size_t>(1, static_cast<std::size_t>(columns_of(out)) / (width + 2));
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (i % per_row == 0) lines.assign(height, "");
    const std::vector<std::string> block = block_of(images[i], width, height, colors_of(out));
    for (std::size_t row = 0; row < height; ++row) lines[row] += block[row] + "  ";
    if ((i + 1) % per_row != 0 && i + 1 < images.size()) continue;
    for (const std::string& line : lines) std::fprintf(out, "%s\n", line.c_str());
    std::fprintf(out, "\n");
  }
}

}  // namespace show
