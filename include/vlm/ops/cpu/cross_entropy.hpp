// Cross-entropy on the CPU; bound by memory and by the exponential.
#pragma once

#include <cmath>

#include <vlm/ops/cpu/rows_parallel.hpp>
#include <vlm/ops/cross_entropy.hpp>

namespace vlm::cpu {

// One row: log sum exp and, where wanted, the entropy of its softmax; if `scale` is not null, logits become
// *scale * softmax. The row is read once from memory, in blocks that stay in the first cache: each takes out
// the largest value so far, and the sums of the blocks before are rescaled when it rises.
struct SoftmaxKernel {
  static constexpr Index most_blocks = 64, least_block = 4096;

  template <int W>
  VLM_INLINE static void run(float* logits, Index count, const float* scale, float* logsumexp,
                             float* entropy) {
    const Index block = std::max(least_block, (count / most_blocks / 64 + 1) * 64);
    float top = -3.4e38f, tops[most_blocks];
    // Sums of e^(x - top) and of (x - top) e^(x - top).
    double total = 0, moment = 0;
    for (Index begin = 0, b = 0; begin < count; begin += block, ++b) {
      float* values = logits + begin;
      const Index size = std::min(block, count - begin);
      const float risen = largest<W>(values, size, top);
      if (risen > top) {
        const double step = static_cast<double>(top) - static_cast<double>(risen), factor = std::exp(step);
        moment = factor * (moment + step * total);
        total *= factor;
      }
      tops[b] = top = risen;
      float part = 0, part_moment = 0;
      if (entropy)
        exponentials<W, true>(values, size, top, scale != nullptr, &part, &part_moment);
      else
        exponentials<W, false>(values, size, top, scale != nullptr, &part, &part_moment);
      total += static_cast<double>(part);
      moment += static_cast<double>(part_moment);
    }
    *logsumexp = static_cast<float>(static_cast<double>(top) + std::log(total));
    if (entropy) *entropy = static_cast<float>(std::log(total) - moment / total);
    if (!scale) return;
    for (Index begin = 0, b = 0; begin < count; begin += block, ++b) {
      const double step = static_cast<double>(tops[b]) - static_cast<double>(top);
      multiply<W>(logits + begin, std::min(block, count - begin),
                  static_cast<float>(static_cast<double>(*scale) / total * std::exp(step)));
    }
  }

  template <int W>
  VLM_INLINE static float largest(const float* values, Index count, float least) {
    const Floats<W> lowest = least - Floats<W>{};
    Floats<W> most[4] = {lowest, lowest, lowest, lowest}, value;
    Index i = 0;
    for (; i + 4 * W <= count; i += 4 * W) VLM_UNROLL for (int k = 0; k < 4; ++k) {
        load<W>(value, values + i + k * W);
        most[k] = most[k] < value ? value : most[k];
      }
    VLM_UNROLL for (int k = 1; k < 4; ++k) most[0] = most[0] < most[k] ? most[k] : most[0];
    float top = max_of<W>(most[0]);
    for (; i < count; ++i) top = top < values[i] ? values[i] : top;
    return top;
  }

  // `replace`: values become e^(value - top).
  template <int W, bool WithMoment>
  VLM_INLINE static void exponentials(float* values, Index count, float top, bool replace, float* sum,
                                      float* moment) {
    Floats<W> sums{}, moments{}, value, shifted;
    Index i = 0;
    for (; i + W <= count; i += W) {
      load<W>(value, values + i);
      __builtin_prefetch(values + count + i);  // the next block, while this one is computed
      value -= top;
      shifted = value;
      bounded_exponential<W>(value);
      if (replace) store<W>(values + i, value);
      sums += value;
      if constexpr (WithMoment) add_moment<W>(moments, shifted, value);
    }
    if (i < count) {
      fill<W>(value, -1e30f);
      for (Index j = i; j < count; ++j) value[j - i] = values[j] - top;
      shifted = value;
      bounded_exponential<W>(value);
      if (replace) store_some<W>(values + i, value, count - i);
      sums += value;
      if constexpr (WithMoment) add_moment<W>(moments, shifted, value);
    }
    *sum = sum_of<W>(sums);
    if constexpr (WithMoment) *moment = sum_of<W>(moments);
  }
  // Infinitely far below, e^x is 0 and so is x e^x.
  template <int W>
  VLM_INLINE static void add_moment(Floats<W>& moments, Floats<W>& shifted, const Floats<W>& power) {
    at_least<W>(shifted, -100.0f);
    moments += shifted * power;
  }

  template <int W>
  VLM_INLINE static void multiply(float* values, Index count, float factor) {
    Floats<W> value;
    Index i = 0;
    for (; i + W <= count; i += W) {
      load<W>(value, values + i);
      value *= factor;
      store<W>(values + i, value);
    }
    for (; i < count; ++i) values[i] *= factor;
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
                                      op.gradient ? &weight : nullptr, &logsumexp,
                                      op.entropies ? &op.entropies(i) : nullptr);
    if (op.gradient) row[op.targets(i)] -= weight;
    negative[i] = logsumexp - target;
    if (op.log_probabilities) op.log_probabilities(i) = -negative[i];
  });
  for (Index i = 0; i < op.logits.rows(); ++i) op.loss(0) += static_cast<double>(op.weights(i)) * negative[i];
}

}  // namespace vlm
