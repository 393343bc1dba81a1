// Drawing on an image: what an answer points at, put back onto the picture with its labels.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/core/shape.hpp>
#include <vlm/vision/colour.hpp>
#include <vlm/vision/draw_text.hpp>
#include <vlm/vision/grounding.hpp>
#include <vlm/vision/image.hpp>

namespace vlm {

namespace detail {

// The pixel that holds a coordinate: the last one for the far edge and beyond, the first for what lies before.
inline Index pixel_at(double coordinate, Index extent) {
  const auto most = static_cast<double>(extent - 1);
  return coordinate > 0 ? static_cast<Index>(std::min(coordinate, most)) : 0;
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

namespace detail {

// A colour for each label, in order of appearance.
class LabelColours {
 public:
  Colour of(const std::string& label) {
    const auto found = std::find(labels_.begin(), labels_.end(), label);
    const auto place = static_cast<std::size_t>(found - labels_.begin());
    if (found == labels_.end()) labels_.emplace_back(label);
    return distinct_colours[place % distinct_colours.size()];
  }

 private:
  std::vector<std::string_view> labels_;
};

// Where a label starts so that it ends inside the image, or else at its first pixel.
inline Index label_start(Index wanted, Index size, Index extent) {
  return std::max(Index{0}, std::min(wanted, extent - size));
}

}  // namespace detail

// The label of a box: above it, or where there is no room inside its upper edge.
inline void draw_label(Image& image, const Box& box, Colour colour, Index scale) {
  const ImageSize size = label_size(box.label, scale);
  const Index top = detail::pixel_at(box.top, image.height), left = detail::pixel_at(box.left, image.width);
  draw_label(image, box.label, top >= size.height ? top - size.height : top,
             detail::label_start(left, size.width, image.width), colour, scale);
}

// The label of a point, `distance` pixels to the right of it, or where there is no room to the left.
inline void draw_label(Image& image, const Point& point, Colour colour, Index distance, Index scale) {
  const ImageSize size = label_size(point.label, scale);
  const Index row = detail::pixel_at(point.y, image.height), column = detail::pixel_at(point.x, image.width);
  const bool fits = column + distance + size.width <= image.width;
  draw_label(
      image, point.label, detail::label_start(row - size.height / 2, size.height, image.height),
      fits ? column + distance : detail::label_start(column - distance - size.width, size.width, image.width),
      colour, scale);
}

namespace detail {

template <class ColourOf>
void draw_places(Image& image, const Grounding& grounding, ColourOf&& colour_of) {
  check_image(image, "image to draw on");
  const Index stroke = stroke_width(image);
  for (const Box& box : grounding.boxes) draw_box(image, box, colour_of(box.label), 2 * stroke);
  for (const Point& point : grounding.points) draw_point(image, point, colour_of(point.label), 3 * stroke);
  for (const Box& box : grounding.boxes) draw_label(image, box, colour_of(box.label), stroke);
  for (const Point& point : grounding.points)
    draw_label(image, point, colour_of(point.label), 5 * stroke, stroke);
}

}  // namespace detail

// Everything with a place: boxes, points, and the labels on top. Equal labels have equal colours, in order of
// appearance.
inline void draw(Image& image, const Grounding& grounding) {
  detail::LabelColours colours;
  detail::draw_places(image, grounding, [&](const std::string& label) { return colours.of(label); });
}
// The same in one colour.
inline void draw(Image& image, const Grounding& grounding, Colour colour) {
  detail::draw_places(image, grounding, [colour](const std::string&) { return colour; });
}

// The spans that hold the time of a frame of the clip, in seconds: a line each at the lower edge, with its times.
inline void draw_spans(Image& frame, const Grounding& grounding, double time) {
  check_image(frame, "frame to draw on");
  detail::LabelColours colours;
  const Index scale = stroke_width(frame);
  Index bottom = frame.height;
  for (const Span& span : grounding.spans) {
    const Colour colour = colours.of(span.label);
    if (!(span.start <= time && time <= span.end)) continue;
    char times[64];
    std::snprintf(times, sizeof times, "%.1f-%.1f s", span.start, span.end);
    const std::string line = span.label.empty() ? times : span.label + " " + times;
    bottom -= label_size(line, scale).height;
    draw_label(frame, line, bottom, 0, colour, scale);
  }
}

}  // namespace vlm
