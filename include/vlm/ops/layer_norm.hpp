// Layer norm:  y = (x - mean) / sqrt(var + eps) * weight + bias, variance biased, over the features of a row.
#pragma once

#include <vlm/core/queue.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

template <class D, class T>
struct LayerNormForward {
  View<const T, 2, D> x{};                   // [rows, features]
  View<const float, 1, D> weight{}, bias{};  // [features]
  View<T, 2, D> y{};                         // [rows, features], may be x itself
  View<float, 2, D> statistics{};            // [rows, 2] mean and one over the deviation, or empty
  float eps = 1e-6f;
};

template <class D, class T>
struct LayerNormBackward {
  View<const T, 2, D> dy{}, x{};         // [rows, features]
  View<const float, 1, D> weight{};      // [features]
  View<const float, 2, D> statistics{};  // [rows, 2]
  View<T, 2, D> dx{};                    // [rows, features], or empty; may be dy itself
  View<float, 1, D> dweight{}, dbias{};  // [features], add; or empty (both or none)
};

template <class T>
void compute(Queue<Cpu>&, const LayerNormForward<Cpu, T>&, Scratch);
template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const LayerNormBackward<Cpu, T>&);
template <class T>
void compute(Queue<Cpu>&, const LayerNormBackward<Cpu, T>&, Scratch);

}  // namespace vlm
