// Products for experts on the CPU: the engine of matmul.hpp, with tasks over all groups at once.
#pragma once

#include <vlm/ops/cpu/matmul.hpp>
#include <vlm/ops/grouped_matmul.hpp>

namespace vlm::cpu {

// The stored matrix of group `index`.
inline Matrix<Cpu> group_matrix(const MatrixGroup<Cpu>& weights, Index index) {
  Matrix<Cpu> matrix = weights.first;
  matrix.data = static_cast<const std::byte*>(matrix.data) +
                static_cast<std::size_t>(index * weights.stride) * size_of(matrix.format);
  return matrix;
}

// Rows of `a` go to rows of `c` group by group, each through its own weight.
inline void multiply_groups(Queue<Cpu>& queue, View<const float, 2, Cpu> a, const MatrixGroup<Cpu>& weights,
                            View<const std::int32_t, 1, Cpu> offsets, View<float, 2, Cpu> c, bool transposed,
                            Scratch scratch) {
  const Index panels = (c.extent[1] + panel_columns - 1) / panel_columns;
  queue.parallel(panels * weights.count, [&](Index task, int worker) {
    const Index group = task / panels, first = offsets(group), rows = offsets(group + 1) - first;
    if (rows == 0) return;
    ProductOperands p{.a = a.row(first), .a_row = a.pitch, .a_k = 1, .c = c.row(first), .c_pitch = c.pitch};
    p.rows = rows;
    p.columns = c.extent[1];
    p.inner = a.extent[1];
    set_weight(p, group_matrix(weights, group), transposed);
    product_task(queue.level(), p, 1, task % panels,
                 scratch.as<float>() + static_cast<std::size_t>(worker) * product_scratch_floats);
  });
}

}  // namespace vlm::cpu

namespace vlm {

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const GroupedForward<Cpu, T>&) {
  return cpu::product_scratch(queue);
}
template <class T>
void compute(Queue<Cpu>& queue, const GroupedForward<Cpu, T>& op, Scratch scratch) {
  cpu::multiply_groups(queue, op.x, op.weights, op.offsets, op.y, true, scratch);
}

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const GroupedBackwardInput<Cpu, T>&) {
  return cpu::product_scratch(queue);
}
template <class T>
void compute(Queue<Cpu>& queue, const GroupedBackwardInput<Cpu, T>& op, Scratch scratch) {
  cpu::multiply_groups(queue, op.dy, op.weights, op.offsets, op.dx, false, scratch);
}

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const GroupedBackwardWeight<Cpu, T>&) {
  return cpu::product_scratch(queue);
}
template <class T>
void compute(Queue<Cpu>& queue, const GroupedBackwardWeight<Cpu, T>& op, Scratch scratch) {
  // C = left' right: [outputs, inputs], or [inputs, outputs] where the weight is stored so.
  const View<const T, 2, Cpu> left = op.input_major ? op.x : op.dy, right = op.input_major ? op.dy : op.x;
  const Index panels = (right.extent[1] + cpu::panel_columns - 1) / cpu::panel_columns;
  queue.parallel(panels * op.dweights.extent[0], [&](Index task, int worker) {
    const Index group = task / panels, first = op.offsets(group), rows = op.offsets(group + 1) - first;
    if (rows == 0) return;
    cpu::ProductOperands p{.a = left.row(first), .a_row = 1, .a_k = left.pitch, .b = right.row(first)};
    p.b_k = right.pitch;
    p.b_column = 1;
    p.c = op.dweights.row(group);
    p.c_pitch = op.dweights.extent[2];
    p.rows = left.extent[1];
    p.columns = right.extent[1];
    p.inner = rows;
    p.add = true;
    cpu::product_task(queue.level(), p, 1, task % panels,
                      scratch.as<float>() + static_cast<std::size_t>(worker) * cpu::product_scratch_floats);
  });
}

}  // namespace vlm
