// Bilinear table lookup, added to rows:
//   y[i] += sum over four corners c, in order, of weights[i, c] * table[corners[i, c]]
// Serves the learned 2-D position table at any grid.
#pragma once

#include <cstdint>
#include <vlm/core/queue.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

template <class D, class T>
struct InterpolateForward {
  View<const float, 2, D> table{};           // [positions, features]; never quantised
  View<const std::int32_t, 2, D> corners{};  // [rows, 4]
  View<const float, 2, D> weights{};         // [rows, 4]
  View<T, 2, D> y{};                         // [rows, features], adds
};

template <class D, class T>
struct InterpolateBackward {
  View<const T, 2, D> dy{};                  // [rows, features]
  View<const std::int32_t, 2, D> corners{};  // [rows, 4]
  View<const float, 2, D> weights{};         // [rows, 4]
  View<float, 2, D> dtable{};                // [positions, features], adds
};

template <class T>
void compute(Queue<Cpu>&, const InterpolateForward<Cpu, T>&, Scratch);
template <class T>
void compute(Queue<Cpu>&, const InterpolateBackward<Cpu, T>&, Scratch);

}  // namespace vlm
