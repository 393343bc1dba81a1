// Cross-entropy on the CPU; bound by the exponential.
#pragma once

#include <cmath>

#include <vlm/ops/cpu/rows_parallel.hpp>
#include <vlm/ops/cross_entropy.hpp>

namespace vlm::cpu {

// One row: returns log sum exp in `result`; if `scale` is not null, logits become *scale * softmax.
struct SoftmaxKernel {
  template <int W>
  VLM_INLINE static void run(float* logits, Index count, const float* scale, float* result) {
    Floats<W> value, most, sum{};
    fill<W>(most, logits[0]);
    Index i = 0;
    for (; i + W <= count; i += W) {
      load<W>(value, logits + i);
      most = most < value ? value : most;
    }
    float top = max_of<W>(most);
    for (; i < count; ++i) top = top < logits[i] ? logits[i] : top;
    for (i = 0; i + W <= count; i += W) {
      load<W>(value, logits + i);
      value -= top;
      exponential<W>(value);
      if (scale) store<W>(logits + i, value);
      sum += value;
    }
    fill<W>(value, -1e30f);
    for (Index j = i; j < count; ++j) value[j - i] = logits[j] - top;
    exponential<W>(value);
    if (scale) store_some<W>(logits + i, value, count - i);
    sum += value;
    const float total = sum_of<W>(sum);
    *result = top + std::log(total);
    if (!scale) return;
    const float factor = *scale / total;
    for (i = 0; i + W <= count; i += W) {
      load<W>(value, logits + i);
      value *= factor;
      store<W>(logits + i, value);
    }
    for (; i < count; ++i) logits[i] *= factor;
  }
};

}  // namespace vlm::cpu

namespace vlm {

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const CrossEntropy<Cpu, T>& op) {
  return static_cast<std::size_t>(op.logits.rows()) * sizeof(float);
}
template <class T>
void compute(Queue<Cpu>& queue, const CrossEntropy<Cpu, T>& op, Scratch scratch) {
  float* negative = scratch.as<float>();
  queue.parallel(op.logits.rows(), [&](Index i, int) {
    T* row = op.logits.row(i);
    const T target = row[op.targets(i)];
    const float weight = op.weights(i);
    float logsumexp = 0;
    cpu::dispatch<cpu::SoftmaxKernel>(queue.level(), row, op.logits.extent[1],
                                      op.gradient ? &weight : nullptr, &logsumexp);
    if (op.gradient) row[op.targets(i)] -= weight;
    negative[i] = logsumexp - target;
    if (op.log_probabilities) op.log_probabilities(i) = -negative[i];
  });
  for (Index i = 0; i < op.logits.rows(); ++i) op.loss(0) += static_cast<double>(op.weights(i)) * negative[i];
}

}  // namespace vlm
