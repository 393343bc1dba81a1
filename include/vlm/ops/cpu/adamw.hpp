// AdamW on the CPU; bound by memory.
#pragma once

#include <cmath>

#include <vlm/ops/adamw.hpp>
#include <vlm/ops/cpu/rows_parallel.hpp>

namespace vlm::cpu {

struct AdamWFactors {
  float gradient_scale, beta1, beta2, one_minus_beta1, one_minus_beta2, keep, rate, root_correction, eps;
};

struct AdamWKernel {
  template <int W>
  VLM_INLINE static void run(float* p, float* m, float* v, const float* g, Index count,
                             const AdamWFactors* factors) {
    const AdamWFactors f = *factors;
    for (Index i = 0; i < count; ++i) {
      const float gradient = g[i] * f.gradient_scale;
      m[i] = f.beta1 * m[i] + f.one_minus_beta1 * gradient;
      v[i] = f.beta2 * v[i] + f.one_minus_beta2 * (gradient * gradient);
      p[i] = f.keep * p[i] - f.rate * m[i] / (__builtin_sqrtf(v[i]) * f.root_correction + f.eps);
    }
  }
};

}  // namespace vlm::cpu

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const AdamW<Cpu, T>& op, Scratch) {
  const double t = static_cast<double>(op.step);
  const double first = 1 - std::pow(static_cast<double>(op.beta1), t);
  const double second = 1 - std::pow(static_cast<double>(op.beta2), t);
  const cpu::AdamWFactors factors{
      .gradient_scale = op.gradient_scale,
      .beta1 = op.beta1,
      .beta2 = op.beta2,
      .one_minus_beta1 = static_cast<float>(1 - static_cast<double>(op.beta1)),
      .one_minus_beta2 = static_cast<float>(1 - static_cast<double>(op.beta2)),
      .keep = static_cast<float>(1 - static_cast<double>(op.learning_rate) * op.decay),
      .rate = static_cast<float>(op.learning_rate / first),
      .root_correction = static_cast<float>(1 / std::sqrt(second)),
      .eps = op.eps};
  cpu::parallel_rows(queue, op.parameter.rows(), 1, [&](Index begin, Index count) {
    cpu::dispatch<cpu::AdamWKernel>(queue.level(), op.parameter.data + begin, op.first_moment.data + begin,
                                    op.second_moment.data + begin, op.gradient.data + begin, count, &factors);
  });
}

}  // namespace vlm
