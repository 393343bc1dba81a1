// Grounding: places and times as values. A model answers in text, coordinates relative to the picture:
//   [{"bbox_2d": [x1, y1, x2, y2], "label": "cat"}, {"point_2d": [x, y]}, {"start": "00:03", "end": 12.4}]
// with x from 0 at the left to 1000 at the right, y from 0 at the top to 1000 at the bottom. The values here are in
// units of the source: pixels of the picture before any resizing, seconds of the clip.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <vlm/core/shape.hpp>
#include <vlm/vision/resize.hpp>

namespace vlm {

// Edges of a rectangle in pixels of the source: left <= right, top <= bottom.
struct Box {
  double left = 0, top = 0, right = 0, bottom = 0;
  std::string label{};
  friend bool operator==(const Box&, const Box&) = default;
};
struct Point {
  double x = 0, y = 0;
  std::string label{};
  friend bool operator==(const Point&, const Point&) = default;
};
// Seconds from the start of the clip, start <= end.
struct Span {
  double start = 0, end = 0;
  std::string label{};
  friend bool operator==(const Span&, const Span&) = default;
};

// What an answer points at, in its order, and what in it could not be read.
struct Grounding {
  std::vector<Box> boxes;
  std::vector<Point> points;
  std::vector<Span> spans;
  // One sentence for each part that was malformed. A part that names its corners or ends in the wrong order is given
  // all the same, put in order; any other malformed part is not given.
  std::vector<std::string> problems;

  bool empty() const { return boxes.empty() && points.empty() && spans.empty(); }
};

inline double area(const Box& box) {
  return std::max(0.0, box.right - box.left) * std::max(0.0, box.bottom - box.top);
}

// Intersection over union, of continuous areas; 0 where the union has no area.
inline double overlap(const Box& a, const Box& b) {
  const Box shared{std::max(a.left, b.left), std::max(a.top, b.top), std::min(a.right, b.right),
                   std::min(a.bottom, b.bottom)};
  const double both = area(shared), either = area(a) + area(b) - both;
  return either > 0 ? both / either : 0;
}
inline double overlap(const Span& a, const Span& b) {
  const double both = std::max(0.0, std::min(a.end, b.end) - std::max(a.start, b.start));
  const double either = (a.end - a.start) + (b.end - b.start) - both;
  return either > 0 ? both / either : 0;
}

// The coordinates that a model reads and writes: 0 to 1000 over the picture, rounded to the nearest integer.
inline Index relative_coordinate(double pixels, Index extent) {
  return std::lround(std::clamp(pixels / static_cast<double>(extent), 0.0, 1.0) * 1000);
}
inline double source_coordinate(double relative, Index extent) {
  return relative / 1000 * static_cast<double>(extent);
}

}  // namespace vlm
