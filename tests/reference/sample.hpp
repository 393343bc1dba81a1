// Sampling step by step over the fully sorted vocabulary: penalties, temperature, top-k, top-p, min-p, and the choice
// by a uniform number.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "table.hpp"

namespace reference {

struct SampleSettings {
  double temperature = 1;
  Index top_k = 0;
  double top_p = 1, min_p = 0, repetition = 1, presence = 0, frequency = 0;
};

struct Seen {
  Index token = 0, count = 0;
};

// The logits of one row after the penalties and the temperature.
inline Table scaled_logits(Table logits, const SampleSettings& s, const std::vector<Seen>& seen) {
  for (const Seen& earlier : seen) {
    double& x = logits[earlier.token];
    x = x < 0 ? x * s.repetition : x / s.repetition;
    x -= s.frequency * static_cast<double>(earlier.count);
    if (earlier.count > 0) x -= s.presence;
  }
  for (double& x : logits.values) x /= s.temperature > 0 ? s.temperature : 1;
  return logits;
}

inline Table probabilities_of(const Table& logits) {
  Table p = logits;
  double largest = -INFINITY, sum = 0;
  for (double x : logits.values) largest = std::fmax(largest, x);
  for (double& value : p.values) sum += value = std::exp(value - largest);
  for (double& value : p.values) value /= sum;
  return p;
}

// Indices by falling value, of equals the lower first.
inline std::vector<Index> falling(const Table& values) {
  std::vector<Index> order;
  for (Index i = 0; i < values.count(); ++i) order.push_back(i);
  std::sort(order.begin(), order.end(),
            [&](Index a, Index b) { return values[a] > values[b] || (values[a] == values[b] && a < b); });
  return order;
}

// The distribution that a token is drawn from: scaled logits after the three truncations.
inline Table kept_probabilities(Table logits, const SampleSettings& s) {
  const std::vector<Index> order = falling(logits);
  if (s.temperature == 0) {
    Table one(logits.count());
    one[order.front()] = 1;
    return one;
  }
  if (s.top_k > 0 && s.top_k < logits.count()) {
    const double least = logits[order[static_cast<std::size_t>(s.top_k) - 1]];
    for (double& x : logits.values)
      if (x < least) x = -INFINITY;
  }
  if (s.top_p < 1) {
    const Table p = probabilities_of(logits);
    double before = 0;
    for (Index token : order) {
      if (before >= s.top_p && token != order.front()) logits[token] = -INFINITY;
      before += p[token];
    }
  }
  if (s.min_p > 0) {
    const Table p = probabilities_of(logits);
    for (Index i = 0; i < p.count(); ++i)
      if (p[i] < s.min_p * p[order.front()]) logits[i] = -INFINITY;
  }
  return probabilities_of(logits);
}

// The chosen token, and the range [below, above) of uniform numbers that choose it.
struct Choice {
  Index token = 0;
  double below = 0, above = 0;
};

inline Choice choose(const Table& kept, double uniform) {
  Choice choice;
  for (Index i = 0; i < kept.count(); ++i) {
    if (kept[i] == 0) continue;
    choice = {i, choice.above, choice.above + kept[i]};
    if (choice.above > uniform) break;
  }
  return choice;
}

inline double log_probability(const Table& scaled, Index token) {
  double largest = -INFINITY, sum = 0;
  for (double x : scaled.values) largest = std::fmax(largest, x);
  for (double x : scaled.values) sum += std::exp(x - largest);
  return scaled[token] - largest - std::log(sum);
}

}  // namespace reference
