// Weights of supervised tokens. A token of sample i, which has n_i of them, counts
//   w_i / sum over the step's samples of w_j n_j,   w_i = n_i^-alpha
// alpha 0 is the mean over tokens, 1 the mean over samples, 1/2 the square root between them.
// Source: Chen et al., "InternVL 2.5", 2024 (square averaging).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include <vlm/core/shape.hpp>
#include <vlm/model/batch.hpp>

namespace vlm {

// n^-alpha; 0 for a sample with nothing supervised.
inline double sample_weight(Index supervised, double alpha) {
  return supervised > 0 ? std::pow(static_cast<double>(supervised), -alpha) : 0.0;
}

namespace detail {

// Calls f(first prediction, count) for each sample of a batch.
template <class F>
void for_each_sample(const Batch& batch, F&& f) {
  std::size_t begin = 0;
  for (std::size_t sample = 1; sample < batch.offsets.size(); ++sample) {
    std::size_t end = begin;
    while (end < batch.rows.size() && batch.rows[end] < batch.offsets[sample]) ++end;
    f(begin, static_cast<Index>(end - begin));
    begin = end;
  }
}

}  // namespace detail

// Sum of w_i n_i over all samples of all micro-batches of a step.
inline double weight_divisor(std::span<const Batch> step, double alpha) {
  double sum = 0;
  for (const Batch& batch : step)
    detail::for_each_sample(batch, [&](std::size_t, Index count) {
      sum += sample_weight(count, alpha) * static_cast<double>(count);
    });
  return sum;
}

// Fills the weights of all micro-batches of a step, which then sum to 1.
inline void set_loss_weights(std::span<Batch> step, double alpha) {
  const double divisor = weight_divisor(step, alpha);
  for (Batch& batch : step)
    detail::for_each_sample(batch, [&](std::size_t first, Index count) {
      const auto weight = static_cast<float>(sample_weight(count, alpha) / divisor);
      for (std::size_t i = first; i < first + static_cast<std::size_t>(count); ++i) batch.weights[i] = weight;
    });
}

}  // namespace vlm
