// AdamW on the CPU; bound by memory.
#pragma once

#include <cmath>

#include <vlm/ops/adamw.hpp>
#include <vlm/ops/cpu/rows_parallel.hpp>

namespace vlm::cpu {

// Written out for g++, whose loops over std::sqrt stay scalar for the sake of errno.
template <int W>
VLM_INLINE void square_root(Floats<W>& x) {
#if defined(__clang__)
  x = __builtin_elementwise_sqrt(x);
#elif defined(__x86_64__)
  if constexpr (W == 4)
    asm("sqrtps %1, %0" : "=x"(x) : "x"(x));
  else
    asm("vsqrtps %1, %0" : "=v"(x) : "v"(x));
#else
  VLM_UNROLL for (int i = 0; i < W; ++i) x[i] = std::sqrt(x[i]);
#endif
}

struct AdamWFactors {
  float gradient_scale, one_minus_beta1, one_minus_beta2, decay, rate, root_correction, eps;
};

// parameter, first moment, second moment, gradient -> the first three
struct AdamWBlock {
  static constexpr int inputs = 4, outputs = 3;
  using Settings = AdamWFactors;
  template <int W>
  VLM_INLINE static void apply(Floats<W>* lanes, const AdamWFactors& f) {
    Floats<W>&p = lanes[0], &m = lanes[1], &v = lanes[2];
    const Floats<W> gradient = lanes[3] * f.gradient_scale;
    m += f.one_minus_beta1 * (gradient - m);
    v += f.one_minus_beta2 * (gradient * gradient - v);
    Floats<W> root = v;
    square_root<W>(root);
    p -= f.decay * p + f.rate * m / (root * f.root_correction + f.eps);
  }
};

}  // namespace vlm::cpu

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const AdamW<Cpu, T>& op, Scratch) {
  const double t = static_cast<double>(op.step);
  const double first = 1 - std::pow(op.beta1, t), second = 1 - std::pow(op.beta2, t);
  const cpu::Elementwise<cpu::AdamWBlock> operands{
      .from = {op.parameter.data, op.first_moment.data, op.second_moment.data, op.gradient.data},
      .from_pitch = {},
      .to = {op.parameter.data, op.first_moment.data, op.second_moment.data},
      .to_pitch = {},
      .settings = {.gradient_scale = static_cast<float>(op.gradient_scale),
                   .one_minus_beta1 = static_cast<float>(1 - op.beta1),
                   .one_minus_beta2 = static_cast<float>(1 - op.beta2),
                   .decay = static_cast<float>(op.learning_rate * op.decay),
                   .rate = static_cast<float>(op.learning_rate / first),
                   .root_correction = static_cast<float>(1 / std::sqrt(second)),
                   .eps = static_cast<float>(op.eps)}};
  cpu::parallel_rows(queue, op.parameter.rows(), 1, [&](Index begin, Index count) {
    cpu::dispatch<cpu::ElementwiseKernel<cpu::AdamWBlock>>(queue.level(), &operands, Index{0}, Index{1},
                                                           begin, count);
  });
}

}  // namespace vlm
