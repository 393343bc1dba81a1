// Products for experts on the CPU: the engine of product.hpp, with tasks over all groups at once.
#pragma once

#include <vlm/ops/cpu/bf16_product.hpp>
#include <vlm/ops/cpu/block_product.hpp>
#include <vlm/ops/cpu/matmul.hpp>
#include <vlm/ops/grouped_matmul.hpp>

namespace vlm::cpu {

// The stored matrix of group `index`.
inline Matrix<Cpu> group_matrix(const MatrixGroup<Cpu>& weights, Index index) {
  Matrix<Cpu> matrix = weights.first;
  matrix.data =
      static_cast<const std::byte*>(matrix.data) +
      static_cast<std::size_t>(index) *
          (is_blocks(matrix.format) ? matrix_bytes(matrix.format, matrix.outputs, matrix.inputs)
                                    : static_cast<std::size_t>(weights.stride) * size_of(matrix.format));
  return matrix;
}

// Computes the products of all groups; `operands(group)` describes one. A task is a band of columns of one group,
// all its rows.
template <class Operands>
void multiply_groups(Queue<Cpu>& queue, Index groups, Index columns, Operands&& operands, Scratch scratch) {
  constexpr Index band = block_lanes;
  const Index bands = (columns + band - 1) / band;
  queue.parallel(bands * groups, [&](Index task, int worker) {
    const ProductOperands p = operands(task / bands);
    const Index first = task % bands * band, last = std::min(columns, first + band);
    const ProductGrid grid = product_grid(p);
    for (Index row = 0; row < p.rows; row += grid.rows)
      for (Index column = first; column < last; column += grid.columns) {
        const ProductPart part{.row = row,
                               .rows = std::min(grid.rows, p.rows - row),
                               .column = column,
                               .columns = std::min(grid.columns, last - column)};
        dispatch<ProductPartKernel>(
            queue.level(), &p, &part,
            scratch.as<float>() + static_cast<std::size_t>(worker) * product_scratch_floats);
      }
  });
}

// Rows of `a` go to rows of `c` group by group, each through its own weight.
inline ProductOperands group_operands(View<const float, 2, Cpu> a, const MatrixGroup<Cpu>& weights,
                                      View<const std::int32_t, 1, Cpu> offsets, View<float, 2, Cpu> c,
                                      bool transposed, Index group) {
  const Index first = offsets(group);
  ProductOperands p{.a = a.row(first), .a_row = a.pitch, .a_k = 1, .c = c.row(first), .c_pitch = c.pitch};
  p.rows = offsets(group + 1) - first;
  p.columns = c.extent[1];
  p.inner = a.extent[1];
  set_weight(p, group_matrix(weights, group), transposed);
  return p;
}

// Each group's rows begin a group of rows that tiles read together.
inline void quantize_groups(Queue<Cpu>& queue, Index groups, View<const float, 2, Cpu> x,
                            View<const std::int32_t, 1, Cpu> offsets, const BlockRows& a) {
  queue.parallel(groups, [&](Index group, int) {
    const Index first = offsets(group);
    quantize_some(queue.level(), x.rows(first, offsets(group + 1) - first), a, first);
  });
}
inline void quantize_groups(Queue<Cpu>& queue, Index, View<const float, 2, Cpu> x,
                            View<const std::int32_t, 1, Cpu>, const Bf16Rows& a) {
  quantize_rows(queue, x, a);
}

// The same with weights in blocks; `a` is memory for the rows, which are quantised before.
template <class Quantised, class Operands>
void multiply_group_blocks(Queue<Cpu>& queue, Index groups, View<const float, 2, Cpu> x, Index columns,
                           Operands&& operands, View<const std::int32_t, 1, Cpu> offsets,
                           const Quantised& a) {
  // Where groups have about one row each, reading decides.
  const Index band = BlockTile::most_panels(x.rows() <= groups ? 1 : 2) * panel_outputs;
  quantize_groups(queue, groups, x, offsets, a);
  const Index bands = (columns + band - 1) / band;
  queue.parallel(bands * groups, [&](Index task, int) {
    const ProductOperands p = operands(task / bands);
    const Index column = task % bands * band;
    if (p.rows > 0)
      block_part(queue.level(), p, a, offsets(task / bands),
                 {.row = 0, .rows = p.rows, .column = column, .columns = std::min(band, columns - column)});
  });
}

}  // namespace vlm::cpu

namespace vlm {

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const GroupedForward<Cpu, T>& op) {
  if (is_bf16_blocks(op.weights.first.format)) return cpu::Bf16Rows::bytes(op.x.rows(), op.x.extent[1]);
  return is_blocks(op.weights.first.format) ? cpu::BlockRows::bytes(op.x.rows(), op.x.extent[1])
                                            : cpu::product_scratch(queue);
}
template <class T>
void compute(Queue<Cpu>& queue, const GroupedForward<Cpu, T>& op, Scratch scratch) {
  const auto operands = [&](Index group) {
    return cpu::group_operands(op.x, op.weights, op.offsets, op.y, true, group);
  };
  if (is_bf16_blocks(op.weights.first.format))
    cpu::multiply_group_blocks(queue, op.weights.count, op.x, op.y.extent[1], operands, op.offsets,
                               cpu::Bf16Rows(scratch.data, op.x.rows(), op.x.extent[1]));
  else if (is_blocks(op.weights.first.format))
    cpu::multiply_group_blocks(queue, op.weights.count, op.x, op.y.extent[1], operands, op.offsets,
                               cpu::BlockRows(scratch.data, op.x.extent[1]));
  else
    cpu::multiply_groups(queue, op.weights.count, op.y.extent[1], operands, scratch);
}

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const GroupedBackwardInput<Cpu, T>&) {
  return cpu::product_scratch(queue);
}
template <class T>
void compute(Queue<Cpu>& queue, const GroupedBackwardInput<Cpu, T>& op, Scratch scratch) {
  cpu::require_numbers(op.weights.first.format);
  const auto operands = [&](Index group) {
    return cpu::group_operands(op.dy, op.weights, op.offsets, op.dx, false, group);
  };
  cpu::multiply_groups(queue, op.weights.count, op.dx.extent[1], operands, scratch);
}

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const GroupedBackwardWeight<Cpu, T>&) {
  return cpu::product_scratch(queue);
}
template <class T>
void compute(Queue<Cpu>& queue, const GroupedBackwardWeight<Cpu, T>& op, Scratch scratch) {
  // C = left' right: [outputs, inputs], or [inputs, outputs] where the weight is stored so.
  const View<const T, 2, Cpu> left = op.input_major ? op.x : op.dy, right = op.input_major ? op.dy : op.x;
  const auto operands = [&](Index group) {
    const Index first = op.offsets(group);
    cpu::ProductOperands p{.a = left.row(first), .a_row = 1, .a_k = left.pitch, .b = right.row(first)};
    p.b_k = right.pitch;
    p.b_column = 1;
    p.c = op.dweights.row(group);
    p.c_pitch = op.dweights.extent[2];
    p.inner = op.offsets(group + 1) - first;
    p.rows = p.inner > 0 ? left.extent[1] : 0;
    p.columns = right.extent[1];
    p.add = true;
    return p;
  };
  cpu::multiply_groups(queue, op.dweights.extent[0], right.extent[1], operands, scratch);
}

}  // namespace vlm
