// loss = sum of weight * (log sum exp(logits) - logits[target]);  dlogits = weight * (softmax -
// one at the target); entropy = -sum of p log p, p the softmax.
#pragma once

#include <cmath>

#include "table.hpp"

namespace reference {

struct CrossEntropyResult {
  double loss = 0;
  Table log_probabilities, entropies, dlogits;
};

inline CrossEntropyResult cross_entropy(const Table& logits, const Table& targets, const Table& weights) {
  CrossEntropyResult result{0, Table(logits.rows), Table(logits.rows), Table(logits.rows, logits.columns)};
  for (Index i = 0; i < logits.rows; ++i) {
    double largest = -INFINITY, sum = 0;
    for (Index j = 0; j < logits.columns; ++j) largest = std::fmax(largest, logits(i, j));
    for (Index j = 0; j < logits.columns; ++j) sum += std::exp(logits(i, j) - largest);
    const double logsumexp = largest + std::log(sum);
    result.log_probabilities[i] = logits(i, targets.at(i)) - logsumexp;
    result.loss -= weights[i] * result.log_probabilities[i];
    for (Index j = 0; j < logits.columns; ++j) {
      const double one = j == targets.at(i) ? 1 : 0, p = std::exp(logits(i, j) - logsumexp);
      if (p > 0) result.entropies[i] -= p * (logits(i, j) - logsumexp);
      result.dlogits(i, j) = weights[i] * (p - one);
    }
  }
  return result;
}

}  // namespace reference
