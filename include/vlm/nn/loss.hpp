// Linear + cross-entropy in chunks of rows, so that the full logits never exist.
#pragma once

#include <algorithm>
#include <cstdint>

#include <vlm/nn/env.hpp>
#include <vlm/ops/cross_entropy.hpp>
#include <vlm/ops/matmul.hpp>

namespace vlm {

// Loss of rows against targets through an output matrix:
//   loss += sum of weights[i] * -log softmax(hidden[i] W')[targets[i]]
template <class D, class T>
struct LanguageLoss {
  View<const T, 2, D> hidden{};              // [rows, features]
  View<const std::int32_t, 1, D> targets{};  // [rows]
  View<const float, 1, D> weights{};         // [rows]
  Matrix<D> output{};                        // [vocabulary, features]
  View<double, 1, D> loss{};                 // [1], adds
  View<float, 1, D> log_probabilities{};     // [rows] of the targets, or empty
  View<float, 1, D> entropies{};             // [rows] of the distributions over the vocabulary, or empty
  View<T, 2, D> dhidden{};                   // [rows, features], or empty: no gradients at all
  View<float, 2, D> doutput{};               // [vocabulary, features], adds; or empty
};

inline constexpr Index loss_chunk_rows = 256;

template <class D, class T>
void run_language_loss(Runtime<D>& s, const LanguageLoss<D, T>& op) {
  const auto given_back = s.scope();
  const Index rows = op.hidden.rows(), chunk = std::min(rows, loss_chunk_rows);
  const View<T, 2, D> logits = s.template scratch<T>(chunk, op.output.outputs);
  for (Index first = 0; first < rows; first += chunk) {
    const Index count = std::min(chunk, rows - first);
    const View<T, 2, D> part = logits.rows(0, count);
    s.run(LinearForward<D, T>{.x = op.hidden.rows(first, count), .weight = op.output, .y = part});
    s.run(CrossEntropy<D, T>{.logits = part,
                             .targets = op.targets.rows(first, count),
                             .weights = op.weights.rows(first, count),
                             .log_probabilities = op.log_probabilities.rows(first, count),
                             .entropies = op.entropies.rows(first, count),
                             .loss = op.loss,
                             .gradient = static_cast<bool>(op.dhidden)});
    if (!op.dhidden) continue;
    s.run(LinearBackwardInput<D, T>{.dy = part, .weight = op.output, .dx = op.dhidden.rows(first, count)});
    if (op.doutput)
      s.run(LinearBackwardWeight<D, T>{.dy = part, .x = op.hidden.rows(first, count), .dweight = op.doutput});
  }
}

}  // namespace vlm
