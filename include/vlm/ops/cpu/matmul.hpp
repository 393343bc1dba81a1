// Products on the CPU: each message becomes the operands of the engine in product.hpp.
#pragma once

#include <algorithm>

#include <vlm/core/error.hpp>
#include <vlm/ops/cpu/bf16_product.hpp>
#include <vlm/ops/cpu/block_product.hpp>
#include <vlm/ops/matmul.hpp>

namespace vlm::cpu {

// into[j] += sum over rows of x[., j]: fixed ranges of rows, then their sums in order.
struct ColumnSumKernel {
  template <int W>
  VLM_INLINE static void run(const float* x, Index pitch, Index rows, Index column, Index width,
                             float* into) {
    for (Index i = 0; i < rows; ++i)
      for (Index j = column; j < column + width; ++j) into[j] += x[i * pitch + j];
  }
};
inline void add_column_sums(Queue<Cpu>& queue, View<const float, 2, Cpu> x, View<float, 1, Cpu> into) {
  constexpr Index width = 64;
  const Index columns = x.extent[1];
  queue.parallel((columns + width - 1) / width, [&](Index task, int) {
    dispatch<ColumnSumKernel>(queue.level(), x.data, x.pitch, x.rows(), task * width,
                              std::min(width, columns - task * width), into.data);
  });
}

// Gradients do not pass through weights in blocks. Throws ConfigError [weight-blocks].
inline void require_numbers(DType format) {
  if (is_blocks(format))
    throw ConfigError("weight-blocks", {{"expected", "F32 or BF16 weights where gradients pass"},
                                        {"got", std::string(name_of(format))},
                                        {"try", "loading the model without a weight format"}});
}

template <class T>
ProductOperands operands_of(const LinearForward<Cpu, T>& op) {
  ProductOperands p{.a = op.x.data, .a_row = op.x.pitch, .a_k = 1, .bias = op.bias.data, .c = op.y.data};
  p.c_pitch = op.y.pitch;
  p.rows = op.x.rows();
  p.columns = op.weight.outputs;
  p.inner = op.weight.inputs;
  p.activation = op.activation;
  set_weight(p, op.weight, true);
  return p;
}
// Whether weights of both formats are given rows in the same form, and in another than rows of f32.
inline bool read_rows_alike(DType a, DType b) {
  return is_blocks(a) && is_blocks(b) && is_bf16_blocks(a) == is_bf16_blocks(b);
}
// Of weights whose formats read rows alike, or of one weight.
inline void multiply_group(Queue<Cpu>& queue, const ProductGroup& group, Scratch scratch) {
  if (is_bf16_blocks(group.front().b_format))
    multiply_bf16(queue, group, scratch);
  else if (is_blocks(group.front().b_format))
    multiply_blocks(queue, group, scratch);
  else
    multiply(queue, group.front(), scratch);
}

}  // namespace vlm::cpu

namespace vlm {

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const LinearForward<Cpu, T>& op) {
  if (is_bf16_blocks(op.weight.format)) return cpu::bf16_scratch(op.x.rows(), op.weight.inputs);
  return is_blocks(op.weight.format) ? cpu::block_scratch(op.x.rows(), op.weight.inputs)
                                     : cpu::product_scratch(queue);
}
template <class T>
void compute(Queue<Cpu>& queue, const LinearForward<Cpu, T>& op, Scratch scratch) {
  cpu::multiply_group(queue, {.products = {cpu::operands_of(op)}, .count = 1}, scratch);
}

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const LinearForwards<Cpu, T>& op) {
  std::size_t most = 0;
  for (int i = 0; i < op.count; ++i) most = std::max(most, scratch_bytes(queue, op.alone(i)));
  return most;
}
template <class T>
void compute(Queue<Cpu>& queue, const LinearForwards<Cpu, T>& op, Scratch scratch) {
  static_assert(cpu::ProductGroup::most >= LinearForwards<Cpu, T>::most);
  cpu::ProductGroup group;
  for (int i = 0; i < op.count; ++i) {
    const cpu::ProductOperands next = cpu::operands_of(op.alone(i));
    if (group.count > 0 && !cpu::read_rows_alike(group.front().b_format, next.b_format)) {
      cpu::multiply_group(queue, group, scratch);
      group.count = 0;
    }
    group.products[group.count++] = next;
  }
  if (group.count > 0) cpu::multiply_group(queue, group, scratch);
}

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const LinearBackwardInput<Cpu, T>&) {
  return cpu::product_scratch(queue);
}
template <class T>
void compute(Queue<Cpu>& queue, const LinearBackwardInput<Cpu, T>& op, Scratch scratch) {
  cpu::require_numbers(op.weight.format);
  cpu::ProductOperands p{
      .a = op.dy.data, .a_row = op.dy.pitch, .a_k = 1, .c = op.dx.data, .c_pitch = op.dx.pitch};
  p.rows = op.dy.rows();
  p.columns = op.weight.inputs;
  p.inner = op.weight.outputs;
  p.add = op.add;
  cpu::set_weight(p, op.weight, false);
  cpu::multiply(queue, p, scratch);
}

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const LinearBackwardWeight<Cpu, T>&) {
  return cpu::product_scratch(queue);
}
template <class T>
void compute(Queue<Cpu>& queue, const LinearBackwardWeight<Cpu, T>& op, Scratch scratch) {
  if (op.dy.rows() == 0) return;
  if (op.dweight) {
    cpu::ProductOperands p{.a = op.dy.data, .a_row = 1, .a_k = op.dy.pitch, .b = op.x.data};
    p.b_k = op.x.pitch;
    p.b_column = 1;
    p.c = op.dweight.data;
    p.c_pitch = op.dweight.pitch;
    p.rows = op.dweight.extent[0];
    p.columns = op.dweight.extent[1];
    p.inner = op.dy.rows();
    p.add = true;
    cpu::multiply(queue, p, scratch);
  }
  if (op.dbias) cpu::add_column_sums(queue, op.dy, op.dbias);
}

}  // namespace vlm
