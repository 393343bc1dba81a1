// Drawing on an image: what an answer points at, put back onto the picture.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/core/shape.hpp>
#include <vlm/vision/grounding.hpp>
#include <vlm/vision/image.hpp>

namespace vlm {

struct Colour {
  std::uint8_t red = 0, green = 0, blue = 0;
  friend bool operator==(const Colour&, const Colour&) = default;
};

// Strong colours that people with any colour vision tell apart.   Source: Okabe and Ito, "Color Universal Design".
inline constexpr std::array<Colour, 7> distinct_colours = {{{213, 94, 0},
                                                            {0, 114, 178},
                                                            {0, 158, 115},
                                                            {240, 228, 66},
                                                            {204, 121, 167},
                                                            {86, 180, 233},
                                                            {230, 159, 0}}};

namespace detail {

// The pixel that holds a coordinate: the last one for the far edge and beyond, the first for what lies before.
inline Index pixel_at(double coordinate, Index extent) {
  const auto most = static_cast<double>(extent - 1);
  return coordinate > 0 ? static_cast<Index>(std::min(coordinate, most)) : 0;
}

inline void fill_rectangle(Image& image, Index top, Index left, Index bottom, Index right, Colour colour) {
  const Index last_row = std::min(bottom, image.height - 1), last_column = std::min(right, image.width - 1);
  for (Index y = std::max(top, Index{0}); y <= last_row; ++y)
    for (Index x = std::max(left, Index{0}); x <= last_column; ++x) {
      std::uint8_t* pixel = image.at(y, x);
      pixel[0] = colour.red;
      pixel[1] = colour.green;
      pixel[2] = colour.blue;
    }
}

}  // namespace detail

// A stroke that shows at any size: about a 300th of the shorter side.
inline Index stroke_width(const Image& image) {
  return std::max(Index{1}, std::min(image.height, image.width) / 300);
}

// The outline, inside the edges of the box; what lies outside of the image is not drawn.
inline void draw_box(Image& image, const Box& box, Colour colour, Index stroke) {
  const Index top = detail::pixel_at(box.top, image.height), left = detail::pixel_at(box.left, image.width);
  const Index bottom = std::max(top, detail::pixel_at(std::ceil(box.bottom) - 1, image.height));
  const Index right = std::max(left, detail::pixel_at(std::ceil(box.right) - 1, image.width));
  const bool outside = box.right < 0 || box.bottom < 0 || box.left > static_cast<double>(image.width) ||
                       box.top > static_cast<double>(image.height);
  if (outside || stroke < 1) return;
  const Index inner_bottom = std::max(bottom - stroke + 1, top),
              inner_right = std::max(right - stroke + 1, left);
  detail::fill_rectangle(image, top, left, std::min(top + stroke - 1, bottom), right, colour);
  detail::fill_rectangle(image, inner_bottom, left, bottom, right, colour);
  detail::fill_rectangle(image, top, left, bottom, std::min(left + stroke - 1, right), colour);
  detail::fill_rectangle(image, top, inner_right, bottom, right, colour);
}

// A disc around the pixel of the point, with a white rim so that it shows on its own colour.
inline void draw_point(Image& image, const Point& point, Colour colour, Index radius) {
  const bool outside = !(point.x >= 0 && point.x <= static_cast<double>(image.width) && point.y >= 0 &&
                         point.y <= static_cast<double>(image.height));
  if (outside || radius < 0) return;
  const Index row = detail::pixel_at(point.y, image.height), column = detail::pixel_at(point.x, image.width);
  const Index rim = radius + std::max(Index{1}, radius / 3);
  for (Index y = std::max(row - rim, Index{0}); y <= std::min(row + rim, image.height - 1); ++y)
    for (Index x = std::max(column - rim, Index{0}); x <= std::min(column + rim, image.width - 1); ++x) {
      const Index distance = (y - row) * (y - row) + (x - column) * (x - column);
      if (distance > rim * rim) continue;
      detail::fill_rectangle(image, y, x, y, x, distance <= radius * radius ? colour : Colour{255, 255, 255});
    }
}

// Everything with a place: boxes first, points on top. Equal labels have equal colours, in order of appearance.
inline void draw(Image& image, const Grounding& grounding) {
  check_image_size(image.height, image.width, "image to draw on");
  std::vector<std::string_view> labels;
  const auto colour_of = [&labels](const std::string& label) {
    const auto found = std::find(labels.begin(), labels.end(), label);
    const auto place = static_cast<std::size_t>(found - labels.begin());
    if (found == labels.end()) labels.emplace_back(label);
    return distinct_colours[place % distinct_colours.size()];
  };
  const Index stroke = stroke_width(image);
  for (const Box& box : grounding.boxes) draw_box(image, box, colour_of(box.label), 2 * stroke);
  for (const Point& point : grounding.points) draw_point(image, point, colour_of(point.label), 3 * stroke);
}

}  // namespace vlm
