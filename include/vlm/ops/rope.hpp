// Rotary positions: in each head, pair j with j + head_dim/2 and rotate by the row's angle j:
//   y1 = x1 cos - x2 sin,  y2 = x2 cos + x1 sin.   The inverse rotation (its backward) has -sin.
// Source: Su et al., "RoFormer", 2021 (half-split form).
#pragma once

#include <vlm/core/queue.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

template <class D, class T>
struct RopeRotate {
  View<T, 2, D> x{};                         // [rows, heads * head_dim], rotated in place
  View<const float, 2, D> cosine{}, sine{};  // [rows, head_dim / 2]; empty: no rotation
  bool inverse = false;
};

template <class T>
void compute(Queue<Cpu>&, const RopeRotate<Cpu, T>&, Scratch);

}  // namespace vlm
