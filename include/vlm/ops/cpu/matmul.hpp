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
  cpu::ProductOperands p{.a = op.x.data, .a_row = op.x.pitch, .a_k = 1, .bias = op.bias.data, .c = op.y.data};
  p.c_pitch = op.y.pitch;
  p.rows = op.x.rows();
  p.columns = op.weight.outputs;
  p.inner = op.weight.inputs;
  p.activation = op.activation;
  cpu::set_weight(p, op.weight, true);
  if (is_bf16_blocks(op.weight.format))
    cpu::multiply_bf16(queue, p, scratch);
  else if (is_blocks(op.weight.format))
    cpu::multiply_blocks(queue, p, scratch);
  else
    cpu::multiply(queue, p, scratch);
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
