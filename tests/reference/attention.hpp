// Attention over packed sequences with the score matrix written out:  y = softmax(scale q k' +
// mask) v  per head.
#pragma once

#include <cmath>

#include "table.hpp"

namespace reference {

struct AttentionSizes {
  Table query_offsets;          // [sequences + 1]
  Table key_begin, key_counts;  // [sequences], or of no rows: keys stand where the queries stand
  Index heads = 1, kv_heads = 1, head_dim = 8;
  double scale = 1;
  bool causal = true;

  Index sequences() const { return query_offsets.rows - 1; }
  Index queries(Index s) const { return query_offsets.at(s + 1) - query_offsets.at(s); }
  Index first_key(Index s) const { return key_begin.rows > 0 ? key_begin.at(s) : query_offsets.at(s); }
  Index keys(Index s) const { return key_counts.rows > 0 ? key_counts.at(s) : queries(s); }
  // How many keys query i of sequence s sees.
  Index seen(Index s, Index i) const { return causal ? keys(s) - queries(s) + 1 + i : keys(s); }
};

struct AttentionResult {
  Table y, logsumexp;
};

namespace detail {

// The probabilities of one query over the keys that it sees, and the logarithm of their sum before division.
inline Table attention_row(const Table& q, const Table& k, const AttentionSizes& sizes, Index s, Index i,
                           Index head, double& logsumexp) {
  const Index row = sizes.query_offsets.at(s) + i, kv_head = head / (sizes.heads / sizes.kv_heads);
  Table p(sizes.seen(s, i));
  double largest = -INFINITY, sum = 0;
  for (Index j = 0; j < p.rows; ++j) {
    for (Index d = 0; d < sizes.head_dim; ++d)
      p[j] += sizes.scale * q(row, head * sizes.head_dim + d) *
              k(sizes.first_key(s) + j, kv_head * sizes.head_dim + d);
    largest = std::fmax(largest, p[j]);
  }
  for (Index j = 0; j < p.rows; ++j) sum += std::exp(p[j] - largest);
  logsumexp = largest + std::log(sum);
  for (Index j = 0; j < p.rows; ++j) p[j] = std::exp(p[j] - logsumexp);
  return p;
}

}  // namespace detail

inline AttentionResult attention(const Table& q, const Table& k, const Table& v,
                                 const AttentionSizes& sizes) {
  AttentionResult result{Table(q.rows, q.columns), Table(q.rows, sizes.heads)};
  const Index dim = sizes.head_dim;
  for (Index s = 0; s < sizes.sequences(); ++s)
    for (Index i = 0; i < sizes.queries(s); ++i)
      for (Index head = 0; head < sizes.heads; ++head) {
        const Index row = sizes.query_offsets.at(s) + i, kv_head = head / (sizes.heads / sizes.kv_heads);
        const Table p = detail::attention_row(q, k, sizes, s, i, head, result.logsumexp(row, head));
        for (Index j = 0; j < p.rows; ++j)
          for (Index d = 0; d < dim; ++d)
            result.y(row, head * dim + d) += p[j] * v(sizes.first_key(s) + j, kv_head * dim + d);
      }
  return result;
}

struct AttentionGradients {
  Table dq, dk, dv;
};

// dv = p' dy;  ds = p (dy v' - dy . y);  dq = scale ds k;  dk = scale ds' q.
inline AttentionGradients attention_backward(const Table& dy, const Table& q, const Table& k, const Table& v,
                                             const AttentionSizes& sizes) {
  AttentionGradients result{Table(q.rows, q.columns), Table(k.rows, k.columns), Table(v.rows, v.columns)};
  const Index dim = sizes.head_dim;
  for (Index s = 0; s < sizes.sequences(); ++s)
    for (Index i = 0; i < sizes.queries(s); ++i)
      for (Index head = 0; head < sizes.heads; ++head) {
        const Index row = sizes.query_offsets.at(s) + i, kv_head = head / (sizes.heads / sizes.kv_heads);
        double logsumexp = 0, mean = 0;
        const Table p = detail::attention_row(q, k, sizes, s, i, head, logsumexp);
        Table dp(p.rows);
        for (Index j = 0; j < p.rows; ++j) {
          for (Index d = 0; d < dim; ++d)
            dp[j] += dy(row, head * dim + d) * v(sizes.first_key(s) + j, kv_head * dim + d);
          mean += p[j] * dp[j];
        }
        for (Index j = 0; j < p.rows; ++j) {
          const Index key = sizes.first_key(s) + j;
          const double ds = sizes.scale * p[j] * (dp[j] - mean);
          for (Index d = 0; d < dim; ++d) {
            result.dq(row, head * dim + d) += ds * k(key, kv_head * dim + d);
            result.dk(key, kv_head * dim + d) += ds * q(row, head * dim + d);
            result.dv(key, kv_head * dim + d) += p[j] * dy(row, head * dim + d);
          }
        }
      }
  return result;
}

}  // namespace reference
