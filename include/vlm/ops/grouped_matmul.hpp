// Products for experts: row group e goes through its own weight e. Groups are ranges of rows; a
// group may be empty.
#pragma once

#include <cstdint>
#include <vlm/core/queue.hpp>
#include <vlm/ops/matrix.hpp>

namespace vlm {

// The weights of all experts: equal matrices, `stride` elements apart.
template <class Device>
struct MatrixGroup {
  Matrix<Device> first{};
  Index stride = 0;
  Index count = 0;
};

template <class D, class T>
struct GroupedForward {
  View<const T, 2, D> x{};                   // [rows, inputs], sorted by group
  MatrixGroup<D> weights{};                  // [groups][outputs, inputs]
  View<const std::int32_t, 1, D> offsets{};  // [groups + 1], first row of each group
  View<T, 2, D> y{};                         // [rows, outputs]
};

template <class D, class T>
struct GroupedBackwardInput {
  View<const T, 2, D> dy{};                  // [rows, outputs]
  MatrixGroup<D> weights{};                  // [groups][outputs, inputs]
  View<const std::int32_t, 1, D> offsets{};  // [groups + 1]
  View<T, 2, D> dx{};                        // [rows, inputs]
};

template <class D, class T>
struct GroupedBackwardWeight {
  View<const T, 2, D> dy{};                  // [rows, outputs]
  View<const T, 2, D> x{};                   // [rows, inputs]
  View<const std::int32_t, 1, D> offsets{};  // [groups + 1]
  View<float, 3, D> dweights{};              // [groups, outputs, inputs], or [groups, inputs, outputs]; adds
  bool input_major = false;                  // the second of the two
};

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const GroupedForward<Cpu, T>&);
template <class T>
void compute(Queue<Cpu>&, const GroupedForward<Cpu, T>&, Scratch);
template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const GroupedBackwardInput<Cpu, T>&);
template <class T>
void compute(Queue<Cpu>&, const GroupedBackwardInput<Cpu, T>&, Scratch);
template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const GroupedBackwardWeight<Cpu, T>&);
template <class T>
void compute(Queue<Cpu>&, const GroupedBackwardWeight<Cpu, T>&, Scratch);

}  // namespace vlm
