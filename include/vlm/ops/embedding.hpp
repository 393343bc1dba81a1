// Token table:  y[i] = table[ids[i]];  its backward adds rows of dy into the table's gradient.
#pragma once

#include <cstdint>
#include <vlm/core/queue.hpp>
#include <vlm/ops/matrix.hpp>

namespace vlm {

template <class D, class T>
struct EmbeddingForward {
  View<const std::int32_t, 1, D> ids{};  // [rows], each in [0, table rows)
  Matrix<D> table{};                     // [vocabulary, features]
  View<T, 2, D> y{};                     // [rows, features]
};

template <class D, class T>
struct EmbeddingBackward {
  View<const std::int32_t, 1, D> ids{};  // [rows]
  View<const T, 2, D> dy{};              // [rows, features]
  View<float, 2, D> dtable{};            // [vocabulary, features], adds
};

template <class T>
void compute(Queue<Cpu>&, const EmbeddingForward<Cpu, T>&, Scratch);
template <class T>
void compute(Queue<Cpu>&, const EmbeddingBackward<Cpu, T>&, Scratch);

}  // namespace vlm
