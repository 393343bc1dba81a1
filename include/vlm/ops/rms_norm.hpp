// Root-mean-square norm over groups of features:  y = x / sqrt(mean(x^2) + eps) * weight.
// A row of `features` holds features / group groups (one for a block norm, one per head for q and k norms).
// Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
#pragma once

#include <vlm/core/queue.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

template <class D, class T>
struct RmsNormForward {
  View<const T, 2, D> x{};           // [rows, features]
  View<const float, 1, D> weight{};  // [group], group divides features
  View<T, 2, D> y{};                 // [rows, features], may be x itself
  View<float, 2, D> rstd{};          // [rows, features / group] one over the root, or empty
  float eps = 1e-6f;
};

template <class D, class T>
struct RmsNormBackward {
  View<const T, 2, D> dy{};          // [rows, features]
  View<const T, 2, D> x{};           // [rows, features], the forward's input
  View<const float, 1, D> weight{};  // [group]
  View<const float, 2, D> rstd{};    // [rows, features / group]
  View<T, 2, D> dx{};                // [rows, features], or empty; may be dy itself
  View<float, 1, D> dweight{};       // [group], adds; or empty
};

template <class T>
void compute(Queue<Cpu>&, const RmsNormForward<Cpu, T>&, Scratch);
template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const RmsNormBackward<Cpu, T>&);
template <class T>
void compute(Queue<Cpu>&, const RmsNormBackward<Cpu, T>&, Scratch);
template <class T>
void compute(Queue<Cuda>&, const RmsNormForward<Cuda, T>&, Scratch);
template <class T>
std::size_t scratch_bytes(const Queue<Cuda>&, const RmsNormBackward<Cuda, T>&);
template <class T>
void compute(Queue<Cuda>&, const RmsNormBackward<Cuda, T>&, Scratch);

}  // namespace vlm
