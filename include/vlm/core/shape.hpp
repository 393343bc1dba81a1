// Extents of tensors, and how they are printed in messages: [2048, 6144].
#pragma once

#include <cstdint>
#include <string>

#include <vlm/core/config.hpp>

namespace vlm {

using Index = std::int64_t;

template <int Rank>
struct Shape {
  Index extent[Rank] = {};

  VLM_HD constexpr Index& operator[](int axis) { return extent[axis]; }
  VLM_HD constexpr Index operator[](int axis) const { return extent[axis]; }
  VLM_HD constexpr Index count() const {
    Index product = 1;
    for (Index size : extent) product *= size;
    return product;
  }
  friend bool operator==(const Shape&, const Shape&) = default;
};
template <class... Extents>
Shape(Extents...) -> Shape<static_cast<int>(sizeof...(Extents))>;

// "[a, b, c]" of any range of extents.
template <class Extents>
std::string shape_text(const Extents& extents) {
  std::string text = "[";
  for (Index size : extents) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}
template <int Rank>
std::string shape_text(const Shape<Rank>& shape) {
  return shape_text(shape.extent);
}

}  // namespace vlm
