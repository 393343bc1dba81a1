// Attention on the CPU. Keys are turned once into blocks of 64 columns; a task takes a tile of queries of
// one head, walks its key blocks from the first key of the sequence with a running softmax, and keeps
// scores in cache only. Block borders hang on the keys alone, so a query's bits do not depend on which
// queries stand beside it.
#pragma once

#include <algorithm>
#include <cmath>

#include <vlm/ops/attention.hpp>
#include <vlm/ops/cpu/tile.hpp>

namespace vlm::cpu {

inline constexpr Index query_tile = 24;
inline constexpr Index key_block = 64;
inline constexpr float masked_score = -1e30f;

inline Index attention_blocks(Index keys) { return (keys + key_block - 1) / key_block; }

// Where the rows of one sequence stand.
struct AttentionSpan {
  Index query = 0, queries = 0, key = 0, keys = 0;
};
inline AttentionSpan attention_span(const AttentionLayout<Cpu>& layout, Index sequence) {
  AttentionSpan span;
  span.query = layout.query_offsets(sequence);
  span.queries = layout.query_offsets(sequence + 1) - span.query;
  span.key = layout.key_begin ? layout.key_begin(sequence) : span.query;
  span.keys = layout.key_counts ? layout.key_counts(sequence) : span.queries;
  return span;
}

// turned[j][key] = rows[key][j] for one block of keys; keys beyond the end are zero.
struct TurnBlockKernel {
  template <int W>
  VLM_INLINE static void run(const float* rows, Index pitch, Index keys, Index head_dim, float* turned) {
    for (Index key = 0; key < keys; ++key)
      for (Index j = 0; j < head_dim; ++j) turned[j * key_block + key] = rows[key * pitch + j];
    for (Index key = keys; key < key_block; ++key)
      for (Index j = 0; j < head_dim; ++j) turned[j * key_block + key] = 0;
  }
};

// One tile of queries against all their keys.
struct AttentionTile {
  const float* q;  // first query row of the tile, at its head
  Index q_pitch;
  const float* turned_keys;  // blocks of [head_dim, 64]
  const float* v;            // first key row of the sequence, at its head
  Index v_pitch;
  float* y;
  Index y_pitch;
  float* logsumexp;  // or null
  Index logsumexp_pitch;
  Index queries, keys, head_dim;
  Index first_visible;  // keys that the tile's first query sees; each further query sees one more, if causal
  bool causal;
  float scale;
};

struct AttentionForwardKernel {
  template <int W>
  VLM_INLINE static void run(const AttentionTile* tile, float* scores) {
    const AttentionTile& t = *tile;
    float most[query_tile], sum[query_tile];
    for (Index i = 0; i < t.queries; ++i) {
      most[i] = masked_score;
      sum[i] = 0;
      for (Index j = 0; j < t.head_dim; ++j) t.y[i * t.y_pitch + j] = 0;
    }
    const Index seen = t.causal ? t.first_visible + t.queries - 1 : t.keys;
    for (Index block = 0; block * key_block < seen; ++block) {
      const Index first = block * key_block, width = t.keys - first < key_block ? t.keys - first : key_block;
      const TileOperands product{.a = t.q,
                                 .a_row = t.q_pitch,
                                 .a_k = 1,
                                 .b = t.turned_keys + block * key_block * t.head_dim,
                                 .b_pitch = key_block,
                                 .c = scores,
                                 .c_pitch = key_block,
                                 .k = t.head_dim,
                                 .add = false};
      tile_product<W>(product, t.queries, key_block);
      for (Index i = 0; i < t.queries; ++i) {
        const Index visible = (t.causal ? t.first_visible + i : t.keys) - first;
        soften<W>(scores + i * key_block, visible < width ? visible : width, t, i, most[i], sum[i]);
      }
      const TileOperands weighted{.a = scores,
                                  .a_row = key_block,
                                  .a_k = 1,
                                  .b = t.v + first * t.v_pitch,
                                  .b_pitch = t.v_pitch,
                                  .c = t.y,
                                  .c_pitch = t.y_pitch,
                                  .k = width,
                                  .add = true};
      tile_product<W>(weighted, t.queries, t.head_dim);
    }
    for (Index i = 0; i < t.queries; ++i) {
      const float factor = 1.0f / sum[i];
      for (Index j = 0; j < t.head_dim; ++j) t.y[i * t.y_pitch + j] *= factor;
      if (t.logsumexp) t.logsumexp[i * t.logsumexp_pitch] = most[i] + std::log(sum[i]);
    }
  }

  // Scores of one query and block become weights against the running maximum; what was summed is rescaled.
  template <int W>
  VLM_INLINE static void soften(float* row, Index visible, const AttentionTile& t, Index query, float& most,
                                float& sum) {
    for (Index j = 0; j < key_block; ++j) row[j] = j < visible ? row[j] * t.scale : masked_score;
    Floats<W> value, top, total{};
    load<W>(top, row);
    for (Index j = W; j < key_block; j += W) {
      load<W>(value, row + j);
      top = top < value ? value : top;
    }
    const float peak = max_of<W>(top);
    const float next = peak < most ? most : peak;
    if (next > most) {
      fill<W>(value, most - next);
      exponential<W>(value);
      const float factor = value[0];
      sum *= factor;
      for (Index j = 0; j < t.head_dim; ++j) t.y[query * t.y_pitch + j] *= factor;
      most = next;
    }
    for (Index j = 0; j < key_block; j += W) {
      load<W>(value, row + j);
      value -= next;
      exponential<W>(value);
      if (visible <= 0) value = Floats<W>{};
      store<W>(row + j, value);
      total += value;
    }
    sum += sum_of<W>(total);
  }
};

// Gradients of one key/value head of one sequence: every query head of its group, tile by tile.
struct AttentionGradient {
  const float *dy, *y, *q;
  Index y_pitch, dy_pitch, q_pitch;
  const float *k, *v;
  Index k_pitch, v_pitch;
  const float* logsumexp;
  Index logsumexp_pitch;
  float *dq, *dk, *dv;
  Index dq_pitch, dk_pitch, dv_pitch;
  Index rows, head_dim, group;  // group: query heads per key head
  bool causal;
  float scale;
};

struct AttentionBackwardKernel {
  static Index scratch_floats(Index head_dim) {
    return 2 * key_block * head_dim + 2 * query_tile * key_block;
  }

  template <int W>
  VLM_INLINE static void run(const AttentionGradient* gradient, float* scratch) {
    const AttentionGradient& g = *gradient;
    float* turned_keys = scratch;
    float* turned_values = turned_keys + key_block * g.head_dim;
    float* weights = turned_values + key_block * g.head_dim;
    float* slopes = weights + query_tile * key_block;
    for (Index i = 0; i < g.rows; ++i) {
      for (Index j = 0; j < g.group * g.head_dim; ++j) g.dq[i * g.dq_pitch + j] = 0;
      for (Index j = 0; j < g.head_dim; ++j) g.dk[i * g.dk_pitch + j] = g.dv[i * g.dv_pitch + j] = 0;
    }
    for (Index first = 0; first < g.rows; first += key_block) {
      const Index width = g.rows - first < key_block ? g.rows - first : key_block;
      TurnBlockKernel::run<W>(g.k + first * g.k_pitch, g.k_pitch, width, g.head_dim, turned_keys);
      TurnBlockKernel::run<W>(g.v + first * g.v_pitch, g.v_pitch, width, g.head_dim, turned_values);
      for (Index head = 0; head < g.group; ++head)
        for (Index row = g.causal ? first : 0; row < g.rows; row += query_tile) {
          const Index queries = g.rows - row < query_tile ? g.rows - row : query_tile;
          tile<W>(g, head, first, width, row, queries, turned_keys, turned_values, weights, slopes);
        }
    }
  }

  template <int W>
  VLM_INLINE static void tile(const AttentionGradient& g, Index head, Index first, Index width, Index row,
                              Index queries, const float* turned_keys, const float* turned_values,
                              float* weights, float* slopes) {
    const Index shift = head * g.head_dim;
    const float* q = g.q + row * g.q_pitch + shift;
    const float* dy = g.dy + row * g.dy_pitch + shift;
    const float* y = g.y + row * g.y_pitch + shift;
    const TileOperands scores{.a = q,
                              .a_row = g.q_pitch,
                              .a_k = 1,
                              .b = turned_keys,
                              .b_pitch = key_block,
                              .c = weights,
                              .c_pitch = key_block,
                              .k = g.head_dim,
                              .add = false};
    tile_product<W>(scores, queries, key_block);
    const TileOperands pulls{.a = dy,
                             .a_row = g.dy_pitch,
                             .a_k = 1,
                             .b = turned_values,
                             .b_pitch = key_block,
                             .c = slopes,
                             .c_pitch = key_block,
                             .k = g.head_dim,
                             .add = false};
    tile_product<W>(pulls, queries, key_block);
    for (Index i = 0; i < queries; ++i) {
      const float logsumexp = g.logsumexp[(row + i) * g.logsumexp_pitch + head];
      const Index seen = g.causal ? row + i - first + 1 : width;
      const Index visible = seen < width ? seen : width;
      float pull = 0;  // dy . y
      for (Index j = 0; j < g.head_dim; ++j) pull += dy[i * g.dy_pitch + j] * y[i * g.y_pitch + j];
      slope_row<W>(weights + i * key_block, slopes + i * key_block, visible, g.scale, logsumexp, pull);
    }
    // dv += weights' dy,  dk += slopes' q,  dq += slopes k
    const TileOperands to_v{.a = weights,
                            .a_row = 1,
                            .a_k = key_block,
                            .b = dy,
                            .b_pitch = g.dy_pitch,
                            .c = g.dv + first * g.dv_pitch,
                            .c_pitch = g.dv_pitch,
                            .k = queries,
                            .add = true};
    tile_product<W>(to_v, width, g.head_dim);
    const TileOperands to_k{.a = slopes,
                            .a_row = 1,
                            .a_k = key_block,
                            .b = q,
                            .b_pitch = g.q_pitch,
                            .c = g.dk + first * g.dk_pitch,
                            .c_pitch = g.dk_pitch,
                            .k = queries,
                            .add = true};
    tile_product<W>(to_k, width, g.head_dim);
    const TileOperands to_q{.a = slopes,
                            .a_row = key_block,
                            .a_k = 1,
                            .b = g.k + first * g.k_pitch,
                            .b_pitch = g.k_pitch,
                            .c = g.dq + row * g.dq_pitch + shift,
                            .c_pitch = g.dq_pitch,
                            .k = width,
                            .add = true};
    tile_product<W>(to_q, queries, g.head_dim);
  }

  // weights = exp(scale * score - logsumexp);  slopes = scale * weights * (pull_j - dy . y)
  template <int W>
  VLM_INLINE static void slope_row(float* weights, float* slopes, Index visible, float scale, float logsumexp,
                                   float pull) {
    for (Index j = 0; j < key_block; ++j) weights[j] = j < visible ? weights[j] * scale : masked_score;
    Floats<W> p, s;
    for (Index j = 0; j < key_block; j += W) {
      load<W>(p, weights + j);
      p -= logsumexp;
      exponential<W>(p);
      store<W>(weights + j, p);
      load<W>(s, slopes + j);
      s = scale * p * (s - pull);
      store<W>(slopes + j, s);
    }
  }
};

}  // namespace vlm::cpu

namespace vlm {

// Turned keys of every sequence, then a tile of scores per worker. Bounded by rows, not by
// how they are packed.
template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const AttentionForward<Cpu, T>& op) {
  const AttentionLayout<Cpu>& layout = op.layout;
  const Index sequences = layout.query_offsets.rows() - 1;
  const Index keys = op.k.rows() + sequences * cpu::key_block;
  const Index floats =
      keys * layout.kv_heads * layout.head_dim + queue.threads() * cpu::query_tile * cpu::key_block;
  return static_cast<std::size_t>(floats) * sizeof(float) +
         static_cast<std::size_t>(2 * sequences + 2) * sizeof(Index);
}

template <class T>
void compute(Queue<Cpu>& queue, const AttentionForward<Cpu, T>& op, Scratch scratch) {
  const AttentionLayout<Cpu>& layout = op.layout;
  const Index sequences = layout.query_offsets.rows() - 1;
  if (sequences <= 0 || op.q.rows() == 0) return;
  // Running counts of key blocks and query tiles, to find a task's sequence.
  Index* blocks = scratch.as<Index>();
  Index* tiles = blocks + sequences + 1;
  float* turned = reinterpret_cast<float*>(tiles + sequences + 1);
  blocks[0] = tiles[0] = 0;
  for (Index s = 0; s < sequences; ++s) {
    const cpu::AttentionSpan span = cpu::attention_span(layout, s);
    blocks[s + 1] = blocks[s] + (span.queries > 0 ? cpu::attention_blocks(span.keys) : 0);
    tiles[s + 1] = tiles[s] + (span.queries + cpu::query_tile - 1) / cpu::query_tile;
  }
  const Index block_floats = cpu::key_block * layout.head_dim;
  queue.parallel(blocks[sequences] * layout.kv_heads, [&](Index task, int) {
    const Index block = task / layout.kv_heads, head = task % layout.kv_heads;
    const Index s = std::upper_bound(blocks, blocks + sequences + 1, block) - blocks - 1;
    const cpu::AttentionSpan span = cpu::attention_span(layout, s);
    const Index first = (block - blocks[s]) * cpu::key_block;
    cpu::dispatch<cpu::TurnBlockKernel>(queue.level(), op.k.row(span.key + first) + head * layout.head_dim,
                                        op.k.pitch, std::min(cpu::key_block, span.keys - first),
                                        layout.head_dim,
                                        turned + (head * blocks[sequences] + block) * block_floats);
  });
  float* scores = turned + blocks[sequences] * layout.kv_heads * block_floats;
  queue.parallel(tiles[sequences] * layout.heads, [&](Index task, int worker) {
    const Index index = task / layout.heads, head = task % layout.heads;
    const Index s = std::upper_bound(tiles, tiles + sequences + 1, index) - tiles - 1;
    const cpu::AttentionSpan span = cpu::attention_span(layout, s);
    const Index first = (index - tiles[s]) * cpu::query_tile, row = span.query + first;
    const Index kv_head = head / (layout.heads / layout.kv_heads);
    const cpu::AttentionTile tile{
        .q = op.q.row(row) + head * layout.head_dim,
        .q_pitch = op.q.pitch,
        .turned_keys = turned + (kv_head * blocks[sequences] + blocks[s]) * block_floats,
        .v = op.v.row(span.key) + kv_head * layout.head_dim,
        .v_pitch = op.v.pitch,
        .y = op.y.row(row) + head * layout.head_dim,
        .y_pitch = op.y.pitch,
        .logsumexp = op.logsumexp ? op.logsumexp.row(row) + head : nullptr,
        .logsumexp_pitch = op.logsumexp.pitch,
        .queries = std::min(cpu::query_tile, span.queries - first),
        .keys = span.keys,
        .head_dim = layout.head_dim,
        .first_visible = span.keys - span.queries + 1 + first,
        .causal = layout.causal,
        .scale = layout.scale};
    cpu::dispatch<cpu::AttentionForwardKernel>(queue.level(), &tile,
                                               scores + worker * cpu::query_tile * cpu::key_block);
  });
}

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const AttentionBackward<Cpu, T>& op) {
  return static_cast<std::size_t>(queue.threads() *
                                  cpu::AttentionBackwardKernel::scratch_floats(op.layout.head_dim)) *
         sizeof(float);
}

template <class T>
void compute(Queue<Cpu>& queue, const AttentionBackward<Cpu, T>& op, Scratch scratch) {
  const AttentionLayout<Cpu>& layout = op.layout;
  const Index sequences = layout.query_offsets.rows() - 1, group = layout.heads / layout.kv_heads;
  queue.parallel(std::max<Index>(sequences, 0) * layout.kv_heads, [&](Index task, int worker) {
    const cpu::AttentionSpan span = cpu::attention_span(layout, task / layout.kv_heads);
    if (span.queries == 0) return;
    const Index kv_head = task % layout.kv_heads, row = span.query;
    const Index wide = kv_head * group * layout.head_dim, narrow = kv_head * layout.head_dim;
    const cpu::AttentionGradient gradient{.dy = op.dy.row(row) + wide,
                                          .y = op.y.row(row) + wide,
                                          .q = op.q.row(row) + wide,
                                          .y_pitch = op.y.pitch,
                                          .dy_pitch = op.dy.pitch,
                                          .q_pitch = op.q.pitch,
                                          .k = op.k.row(row) + narrow,
                                          .v = op.v.row(row) + narrow,
                                          .k_pitch = op.k.pitch,
                                          .v_pitch = op.v.pitch,
                                          .logsumexp = op.logsumexp.row(row) + kv_head * group,
                                          .logsumexp_pitch = op.logsumexp.pitch,
                                          .dq = op.dq.row(row) + wide,
                                          .dk = op.dk.row(row) + narrow,
                                          .dv = op.dv.row(row) + narrow,
                                          .dq_pitch = op.dq.pitch,
                                          .dk_pitch = op.dk.pitch,
                                          .dv_pitch = op.dv.pitch,
                                          .rows = span.queries,
                                          .head_dim = layout.head_dim,
                                          .group = group,
                                          .causal = layout.causal,
                                          .scale = layout.scale};
    cpu::dispatch<cpu::AttentionBackwardKernel>(
        queue.level(), &gradient,
        scratch.as<float>() + worker * cpu::AttentionBackwardKernel::scratch_floats(layout.head_dim));
  });
}

}  // namespace vlm
