// Routing to experts: softmax over all, the k largest (ties to the lower index) renormalised, rows sorted by
// expert; the way back, the sums over a row's choices, and the balance loss.
#pragma once

#include <cmath>

#include "table.hpp"

namespace reference {

inline Table softmax(const Table& logits) {
  Table p(logits.rows, logits.columns);
  for (Index i = 0; i < logits.rows; ++i) {
    double largest = -INFINITY, sum = 0;
    for (Index e = 0; e < logits.columns; ++e) largest = std::fmax(largest, logits(i, e));
    for (Index e = 0; e < logits.columns; ++e) sum += std::exp(logits(i, e) - largest);
    for (Index e = 0; e < logits.columns; ++e) p(i, e) = std::exp(logits(i, e) - largest) / sum;
  }
  return p;
}

// [rows, k] positions of the largest values, descending, the lower index first among equals.
inline Table largest_of_rows(const Table& values, Index k) {
  Table chosen(values.rows, k);
  for (Index i = 0; i < values.rows; ++i)
    for (Index j = 0; j < k; ++j) {
      Index best = -1;
      for (Index e = 0; e < values.columns; ++e) {
        bool taken = false;
        for (Index before = 0; before < j; ++before) taken = taken || chosen.at(i, before) == e;
        if (!taken && (best < 0 || values(i, e) > values(i, best))) best = e;
      }
      chosen(i, j) = static_cast<double>(best);
    }
  return chosen;
}

// The chosen probabilities, divided by their sum.
inline Table renormalised(const Table& probabilities, const Table& experts) {
  Table weights(experts.rows, experts.columns);
  for (Index i = 0; i < experts.rows; ++i) {
    double sum = 0;
    for (Index j = 0; j < experts.columns; ++j) sum += probabilities(i, experts.at(i, j));
    for (Index j = 0; j < experts.columns; ++j) weights(i, j) = probabilities(i, experts.at(i, j)) / sum;
  }
  return weights;
}

struct Sorted {
  Table offsets, source_rows, slots;
};

// Slots by expert, in each expert by row.
inline Sorted sort_by_expert(const Table& experts, Index expert_count) {
  Sorted result{Table(expert_count + 1), Table(experts.count()), Table(experts.rows, experts.columns)};
  Index slot = 0;
  for (Index e = 0; e < expert_count; ++e) {
    for (Index i = 0; i < experts.rows; ++i)
      for (Index j = 0; j < experts.columns; ++j)
        if (experts.at(i, j) == e) {
          result.source_rows[slot] = static_cast<double>(i);
          result.slots(i, j) = static_cast<double>(slot++);
        }
    result.offsets[e + 1] = static_cast<double>(slot);
  }
  return result;
}

// dp of the chosen, (dw - sum of dw w) / sum of chosen p, and the balance's share; then through the softmax.
inline Table route_backward(const Table& probabilities, const Table& experts, const Table& dweights,
                            const Table& balance) {
  const Table weights = renormalised(probabilities, experts);
  Table dlogits(probabilities.rows, probabilities.columns);
  for (Index i = 0; i < probabilities.rows; ++i) {
    Table dp(probabilities.columns);
    if (balance.rows > 0) dp = balance;
    double mean = 0, chosen = 0, inner = 0;
    for (Index j = 0; j < experts.columns; ++j) {
      mean += dweights(i, j) * weights(i, j);
      chosen += probabilities(i, experts.at(i, j));
    }
    for (Index j = 0; j < experts.columns; ++j) dp[experts.at(i, j)] += (dweights(i, j) - mean) / chosen;
    for (Index e = 0; e < dp.rows; ++e) inner += dp[e] * probabilities(i, e);
    for (Index e = 0; e < dp.rows; ++e) dlogits(i, e) = probabilities(i, e) * (dp[e] - inner);
  }
  return dlogits;
}

inline Table combine(const Table& from, const Table& slots, const Table& weights) {
  Table y(slots.rows, from.columns);
  for (Index i = 0; i < slots.rows; ++i)
    for (Index j = 0; j < slots.columns; ++j)
      for (Index f = 0; f < from.columns; ++f) y(i, f) += weights(i, j) * from(slots.at(i, j), f);
  return y;
}

struct CombineGradients {
  Table dfrom, dweights;
};

inline CombineGradients combine_backward(const Table& dy, const Table& from, const Table& slots,
                                         const Table& weights) {
  CombineGradients result{Table(from.rows, from.columns), Table(slots.rows, slots.columns)};
  for (Index i = 0; i < slots.rows; ++i)
    for (Index j = 0; j < slots.columns; ++j)
      for (Index f = 0; f < from.columns; ++f) {
        result.dfrom(slots.at(i, j), f) += weights(i, j) * dy(i, f);
        result.dweights(i, j) += dy(i, f) * from(slots.at(i, j), f);
      }
  return result;
}

struct Balance {
  double loss = 0;
  Table derivative;
};

// E sum of f p: f the share of slots, p the mean probability. Nothing where there are no rows.
inline Balance balance_loss(const Table& probabilities, const Table& offsets, double coefficient) {
  const Index experts = probabilities.columns;
  Balance result{0, Table(experts)};
  if (probabilities.rows == 0) return result;
  const double rows = static_cast<double>(probabilities.rows);
  for (Index e = 0; e < experts; ++e) {
    const double share = (offsets[e + 1] - offsets[e]) / offsets[experts];
    double mean = 0;
    for (Index i = 0; i < probabilities.rows; ++i) mean += probabilities(i, e) / rows;
    result.loss += coefficient * static_cast<double>(experts) * share * mean;
    result.derivative[e] = coefficient * static_cast<double>(experts) * share / rows;
  }
  return result;
}

}  // namespace reference
