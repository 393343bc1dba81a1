// Attention backward of a chunk of keys of one key head and a chunk of queries of its group of heads:
//   P = softmax weights from the forward's logsumexp,  dV += P' dY,  S = P (dY V' - dy . y),
//   dK += scale S' Q,  dQ += scale S K
// Scores stay in the worker's scratch.
#pragma once

#include <vlm/ops/cpu/attention_tile.hpp>

namespace vlm::cpu::attention {

inline constexpr Index key_chunk = 256;     // keys that are turned at once
inline constexpr Index gradient_rows = 96;  // rows, queries times heads, that are computed at once

// Row r of a task is query first_query + r / group and head r % group. Pointers stand at the first row of the
// sequence, at the first head of the group.
struct BackwardTask {
  const float *dy, *q, *k, *v;
  Index dy_pitch, q_pitch, k_pitch, v_pitch;
  const float *logsumexp, *pulls;  // of each query and head; a pull is dy . y
  Index logsumexp_pitch, pulls_pitch;
  float *dq, *dk, *dv;
  Index dq_pitch, dk_pitch, dv_pitch;
  Index first_key = 0, keys = 0, first_query = 0, queries = 0;
  Index group, head_dim;
  bool causal;
  bool add_keys = false, add_queries = false;  // to the gradients that stand there
  float scale;

  Index query(Index r) const { return first_query + r / group; }
  Index column(Index r) const { return r % group * head_dim; }
  Index visible(Index r) const {
    return causal ? std::clamp<Index>(query(r) + 1 - first_key, 0, keys) : keys;
  }
};

struct BackwardScratch {
  Index pitch, scores_pitch;
  float *turned_keys, *turned_values, *keys, *dk, *dv, *q, *dy, *dq, *weights, *slopes;

  explicit BackwardScratch(float* at, Index head_dim)
      : pitch(packed_pitch(head_dim)), scores_pitch(packed_pitch(key_chunk)) {
    turned_keys = at;
    turned_values = turned_keys + head_dim * scores_pitch;
    keys = turned_values + head_dim * scores_pitch;
    dk = keys + key_chunk * pitch;
    dv = dk + key_chunk * pitch;
    q = dv + key_chunk * pitch;
    dy = q + gradient_rows * pitch;
    dq = dy + gradient_rows * pitch;
    weights = dq + gradient_rows * pitch;
    slopes = weights + gradient_rows * scores_pitch;
  }
  static Index floats(Index head_dim) {
    return (2 * head_dim + 2 * gradient_rows) * packed_pitch(key_chunk) +
           (3 * key_chunk + 3 * gradient_rows) * packed_pitch(head_dim);
  }
};

// pulls[row][head] = dy . y
struct PullKernel {
  template <int W>
  VLM_INLINE static void run(const float* dy, Index dy_pitch, const float* y, Index y_pitch, Index rows,
                             Index heads, Index head_dim, float* pulls) {
    for (Index row = 0; row < rows; ++row)
      for (Index head = 0; head < heads; ++head)
        pulls[row * heads + head] =
            product<W>(dy + row * dy_pitch + head * head_dim, y + row * y_pitch + head * head_dim, head_dim);
  }
  template <int W>
  VLM_INLINE static float product(const float* a, const float* b, Index count) {
    Floats<W> sum{}, left, right;
    for (; count >= W; count -= W, a += W, b += W) {
      load<W>(left, a);
      load<W>(right, b);
      sum += left * right;
    }
    float total = sum_of<W>(sum);
    if constexpr (W == 16)
      if (count > 0) total += product<8>(a, b, count);
    return total;
  }
};

struct BackwardKernel {
  template <int W>
  VLM_INLINE static void run(const BackwardTask* task, float* scratch) {
    const BackwardTask& t = *task;
    const BackwardScratch s(scratch, t.head_dim);
    const float* k = t.k + t.first_key * t.k_pitch;
    const float* v = t.v + t.first_key * t.v_pitch;
    const Index rows = t.queries * t.group;
    prefetch_rows(k, t.k_pitch, t.keys, t.head_dim);
    turn<W>(k, t.k_pitch, t.keys, t.head_dim, s.turned_keys, s.scores_pitch);
    prefetch_rows(v, t.v_pitch, t.keys, t.head_dim);
    prefetch(t, 0, std::min(gradient_rows, rows));
    turn<W>(v, t.v_pitch, t.keys, t.head_dim, s.turned_values, s.scores_pitch);
    for (Index key = 0; key < t.keys; ++key)
      pack_row<W>(k + key * t.k_pitch, t.head_dim, 1, s.keys + key * s.pitch);
    for (Index i = 0; i < t.keys * s.pitch; ++i) s.dk[i] = s.dv[i] = 0;
    for (Index first = 0; first < rows; first += gradient_rows)
      tile<W>(t, s, first, std::min(gradient_rows, rows - first));
    for (Index key = 0; key < t.keys; ++key) {
      const Index at = t.first_key + key;
      give_row<W>(s.dk + key * s.pitch, t.head_dim, log_of_2, t.add_keys, t.dk + at * t.dk_pitch);
      give_row<W>(s.dv + key * s.pitch, t.head_dim, 1, t.add_keys, t.dv + at * t.dv_pitch);
    }
  }

  // What rows [first, first + rows) read, and the gradients at the end.
  static void prefetch(const BackwardTask& t, Index first, Index rows) {
    if (rows <= 0 && t.add_keys) {
      prefetch_rows(t.dk + t.first_key * t.dk_pitch, t.dk_pitch, t.keys, t.head_dim);
      prefetch_rows(t.dv + t.first_key * t.dv_pitch, t.dv_pitch, t.keys, t.head_dim);
    }
    for (Index r = first; r < first + rows; ++r) {
      const Index query = t.query(r), column = t.column(r);
      prefetch_rows(t.q + query * t.q_pitch + column, 0, 1, t.head_dim);
      prefetch_rows(t.dy + query * t.dy_pitch + column, 0, 1, t.head_dim);
      if (t.add_queries) prefetch_rows(t.dq + query * t.dq_pitch + column, 0, 1, t.head_dim);
    }
  }

  template <int W>
  VLM_INLINE static void tile(const BackwardTask& t, const BackwardScratch& s, Index first, Index rows) {
    Index visible[gradient_rows];
    for (Index r = 0; r < rows; ++r) {
      const Index query = t.query(first + r), column = t.column(first + r);
      visible[r] = t.visible(first + r);
      pack_row<W>(t.q + query * t.q_pitch + column, t.head_dim, t.scale * log2_of_e, s.q + r * s.pitch);
      pack_row<W>(t.dy + query * t.dy_pitch + column, t.head_dim, 1, s.dy + r * s.pitch);
    }
    const Product scores{.a = s.q,
                         .a_row = s.pitch,
                         .a_k = 1,
                         .b = s.turned_keys,
                         .b_pitch = s.scores_pitch,
                         .c = s.weights,
                         .c_pitch = s.scores_pitch,
                         .k = t.head_dim,
                         .add = false};
    multiply_visible<W>(scores, rows, t.keys, visible);
    Product pulls = scores;
    pulls.a = s.dy;
    pulls.b = s.turned_values;
    pulls.c = s.slopes;
    multiply_visible<W>(pulls, rows, t.keys, visible);
    for (Index r = 0; r < rows; ++r) {
      const Index query = t.query(first + r), head = (first + r) % t.group;
      slope_row<W>(s.weights + r * s.scores_pitch, s.slopes + r * s.scores_pitch, visible[r], t.keys,
                   t.logsumexp[query * t.logsumexp_pitch + head] * log2_of_e,
                   t.pulls[query * t.pulls_pitch + head]);
    }
    prefetch(t, first + rows, std::min(gradient_rows, t.queries * t.group - first - rows));
    to_keys<W>(t, s, rows, visible, s.weights, s.dy, s.dv);
    to_keys<W>(t, s, rows, visible, s.slopes, s.q, s.dk);
    to_queries<W>(t, s, rows, visible);
    for (Index r = 0; r < rows; ++r)
      give_row<W>(s.dq + r * s.pitch, t.head_dim, t.scale, t.add_queries,
                  t.dq + t.query(first + r) * t.dq_pitch + t.column(first + r));
  }

  // A product with a column for each key, without the tiles that no row sees.
  template <int W>
  VLM_INLINE static void multiply_visible(Product p, Index rows, Index keys, const Index* visible) {
    const float* a = p.a;
    const float* b = p.b;
    float* c = p.c;
    Index row = 0;
    for (Index key = 0; key < keys; key += 2 * W) {
      while (row + tile_rows<W> <= rows && visible[row + tile_rows<W> - 1] <= key) row += tile_rows<W>;
      p.a = a + row * p.a_row;
      p.b = b + key;
      p.c = c + row * p.c_pitch + key;
      multiply<W>(p, rows - row, std::min<Index>(2 * W, (keys - key + W - 1) / W * W));
    }
  }

  // gradient[key] += sum over rows of weights[row][key] values[row]
  template <int W>
  VLM_INLINE static void to_keys(const BackwardTask& t, const BackwardScratch& s, Index rows,
                                 const Index* visible, const float* weights, const float* values,
                                 float* gradient) {
    const Index padded = (t.head_dim + W - 1) / W * W;
    for (Index j = 0; j < padded; j += 2 * W) {
      Index row = 0;
      for (Index key = 0; key < t.keys; key += tile_rows<W>) {
        while (row < rows && visible[row] <= key) ++row;
        const Product p{.a = weights + row * s.scores_pitch + key,
                        .a_row = 1,
                        .a_k = s.scores_pitch,
                        .b = values + row * s.pitch + j,
                        .b_pitch = s.pitch,
                        .c = gradient + key * s.pitch + j,
                        .c_pitch = s.pitch,
                        .k = rows - row,
                        .add = true};
        if (p.k > 0)
          multiply<W>(p, std::min<Index>(tile_rows<W>, t.keys - key), std::min<Index>(2 * W, padded - j));
      }
    }
  }

  // dq[row] = sum over keys of slopes[row][key] keys[key]
  template <int W>
  VLM_INLINE static void to_queries(const BackwardTask& t, const BackwardScratch& s, Index rows,
                                    const Index* visible) {
    const Index padded = (t.head_dim + W - 1) / W * W;
    for (Index j = 0; j < padded; j += 2 * W)
      for (Index row = 0; row < rows; row += tile_rows<W>) {
        const Index some = std::min<Index>(tile_rows<W>, rows - row);
        const Product p{.a = s.slopes + row * s.scores_pitch,
                        .a_row = s.scores_pitch,
                        .a_k = 1,
                        .b = s.keys + j,
                        .b_pitch = s.pitch,
                        .c = s.dq + row * s.pitch + j,
                        .c_pitch = s.pitch,
                        .k = visible[row + some - 1],
                        .add = false};
        multiply<W>(p, some, std::min<Index>(2 * W, padded - j));
      }
  }

  // weights = 2^(score - logsumexp);  slopes = weights * (slope - pull);  both 0 for keys that are not seen
  template <int W>
  VLM_INLINE static void slope_row(float* weights, float* slopes, Index visible, Index keys, float logsumexp,
                                   float pull) {
    Floats<W> p, s;
    Index key = 0;
    for (; key < visible; key += W) {
      load<W>(p, weights + key);
      p -= logsumexp;
      bounded_power_of_two<W>(p);
      load<W>(s, slopes + key);
      s = p * (s - pull);
      if (key + W > visible) {
        mask_from<W>(p, visible - key, 0);
        mask_from<W>(s, visible - key, 0);
      }
      store<W>(weights + key, p);
      store<W>(slopes + key, s);
    }
    const Floats<W> zeros{};
    for (; key < keys; key += W) {
      store<W>(weights + key, zeros);
      store<W>(slopes + key, zeros);
    }
  }
};

}  // namespace vlm::cpu::attention
