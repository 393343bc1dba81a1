// Attention forward of some queries. The queries of all heads that share a key head are rows of one tile; the
// keys are walked block by block, from the first of the sequence, with a running softmax in base 2. Borders of
// blocks hang on the keys alone. Keys are turned panel by panel in the worker's scratch and scores stay there,
// so that the scratch hangs neither on queries nor on keys.
#pragma once

#include <cmath>

#include <vlm/core/cell_pages.hpp>
#include <vlm/ops/cpu/attention_tile.hpp>

namespace vlm::cpu::attention {

inline constexpr Index forward_rows = 384;  // most of a task
inline constexpr Index forward_keys = 256;  // of a block, that share a running maximum
inline constexpr Index key_panel = 64;      // of a block, that are turned at once
// Up to so many rows of a key head, values are read where they stand; for more they are packed first.
inline constexpr Index few_rows = 12;
inline constexpr Index most_heads = forward_rows / few_rows;

// Keys or values of a sequence: rows side by side, or cells in pages. Borders of pages are borders of panels, so that
// what is read at once stands in one page.
struct StoredRows {
  const std::byte* rows;    // where there are no pages
  std::byte* const* pages;  // or null
  std::size_t offset;       // of the first number in a page
  Index pitch;              // in numbers
  bool narrow;              // bf16 instead of f32

  const std::byte* at(Index row, Index column) const {
    const Index size = narrow ? 2 : 4;
    if (!pages) return rows + (row * pitch + column) * size;
    constexpr Index cells = CellPages<Cpu>::cells;
    return pages[row / cells] + offset + static_cast<std::size_t>((row % cells * pitch + column) * size);
  }
  // Asks for rows [row, row + count), as far as they are stored as one piece with `row`.
  void prefetch(Index row, Index count, Index columns) const {
    if (count <= 0) return;
    const std::byte* from = at(row, 0);
    for (Index i = 0; i < count; ++i)
      for (Index j = 0; j < columns; j += narrow ? 32 : 16)
        __builtin_prefetch(from + (i * pitch + j) * (narrow ? 2 : 4), 0, 2);
  }
};
static_assert(CellPages<Cpu>::cells == 64);

// Some rows of each of a few neighbouring key heads. Row r of a key head is query (first_row + r) / group and
// head (first_row + r) % group. Several heads at once are for few rows: their keys stand side by side.
struct ForwardTask {
  const float* q;
  Index q_pitch;
  StoredRows k, v;
  float* y;
  Index y_pitch;
  float* logsumexp;  // or null
  Index logsumexp_pitch;
  Index heads, first_row, rows, group;
  Index keys, head_dim;
  Index first_visible;  // keys that query 0 sees, if causal; each further query sees one more
  bool causal;
  float scale;

  Index query(Index r) const { return (first_row + r) / group; }
  Index head(Index h, Index r) const { return h * group + (first_row + r) % group; }
  Index visible(Index r) const {
    return causal ? std::clamp<Index>(first_visible + query(r), 0, keys) : keys;
  }
};

struct ForwardScratch {
  Index pitch, scores_pitch;
  float *q, *y, *scores, *keys, *values, *sums, *most, *widened;

  explicit ForwardScratch(float* at, Index head_dim)
      : pitch(packed_pitch(head_dim)), scores_pitch(packed_pitch(forward_keys)) {
    q = at;
    y = q + forward_rows * pitch;
    scores = y + forward_rows * pitch;
    keys = scores + forward_rows * scores_pitch;
    values = keys + head_dim * packed_pitch(key_panel);
    sums = values + forward_keys * pitch;  // of each lane
    most = sums + forward_rows * 16;
    widened = most + forward_rows;
  }
  static Index floats(Index head_dim) {
    return (2 * forward_rows + forward_keys) * packed_pitch(head_dim) +
           forward_rows * (packed_pitch(forward_keys) + 17) + head_dim * packed_pitch(key_panel) +
           key_panel * packed_pitch(head_dim);
  }
};

struct ForwardKernel {
  template <int W>
  VLM_INLINE static void run(const ForwardTask* task, float* scratch) {
    const ForwardTask& t = *task;
    const ForwardScratch s(scratch, t.head_dim);
    const Index padded = (t.head_dim + W - 1) / W * W;
    for (Index h = 0; h < t.heads; ++h)
      for (Index r = 0; r < t.rows; ++r) {
        const Index at = h * t.rows + r;
        pack_row<W>(t.q + t.query(r) * t.q_pitch + t.head(h, r) * t.head_dim, t.head_dim, t.scale * log2_of_e,
                    s.q + at * s.pitch);
        for (Index j = 0; j < padded; ++j) s.y[at * s.pitch + j] = 0;
        for (Index j = 0; j < W; ++j) s.sums[at * W + j] = 0;
        s.most[at] = masked_score;
      }
    const Index seen = t.visible(t.rows - 1);
    for (Index first = 0; first < seen; first += forward_keys)
      block<W>(t, s, first, std::min(forward_keys, seen - first), seen);
    for (Index h = 0; h < t.heads; ++h)
      for (Index r = 0; r < t.rows; ++r) {
        const Index at = h * t.rows + r, query = t.query(r), head = t.head(h, r);
        Floats<W> sums;
        load<W>(sums, s.sums + at * W);
        const float sum = sum_of<W>(sums);
        give_row<W>(s.y + at * s.pitch, t.head_dim, 1.0f / sum, false,
                    t.y + query * t.y_pitch + head * t.head_dim);
        if (t.logsumexp)
          t.logsumexp[query * t.logsumexp_pitch + head] = (s.most[at] + std::log2(sum)) * log_of_2;
      }
  }

  struct Widened {
    const float* rows;
    Index pitch;
  };
  // Rows [row, row + count) of a head as f32: where they stand, or in the scratch.
  template <int W>
  VLM_INLINE static Widened widened(const StoredRows& stored, Index row, Index count, Index h,
                                    const ForwardTask& t, const ForwardScratch& s) {
    const std::byte* from = stored.at(row, h * t.head_dim);
    if (!stored.narrow) return {reinterpret_cast<const float*>(from), stored.pitch};
    for (Index i = 0; i < count; ++i)
      widen_row<W>(reinterpret_cast<const bf16*>(from) + i * stored.pitch, t.head_dim,
                   s.widened + i * s.pitch);
    return {s.widened, s.pitch};
  }

  // All rows against keys [first, first + width) of the `seen` ones.
  template <int W>
  VLM_INLINE static void block(const ForwardTask& t, const ForwardScratch& s, Index first, Index width,
                               Index seen) {
    const Index columns = t.heads * t.head_dim;
    for (Index key = 0; key < width; key += key_panel) {
      const Index at = first + key, some = std::min(key_panel, width - key);
      if (t.rows > few_rows) t.v.prefetch(at, some, columns);
      t.k.prefetch(at + some, std::min(key_panel, seen - at - some), columns);
      for (Index h = 0; h < t.heads; ++h) score_panel<W>(t, s, h, first, key, some);
    }
    for (Index h = 0; h < t.heads; ++h)
      for (Index r = 0; r < t.rows; ++r)
        soften<W>(t, s, h * t.rows + r, std::min(t.visible(r) - first, width), width);
    if (t.rows <= few_rows) return add_few_values<W>(t, s, first, width);
    for (Index h = 0; h < t.heads; ++h) add_values<W>(t, s, h, first, width);
  }

  // Scores of the rows of a head and keys [first + key, first + key + width).
  template <int W>
  VLM_INLINE static void score_panel(const ForwardTask& t, const ForwardScratch& s, Index h, Index first,
                                     Index key, Index width) {
    constexpr Index pitch = key_panel + 16;
    const Widened k = widened<W>(t.k, first + key, width, h, t, s);
    turn<W>(k.rows, k.pitch, width, t.head_dim, s.keys, pitch);
    const float* q = s.q + h * t.rows * s.pitch;
    float* to = s.scores + h * t.rows * s.scores_pitch + key;
    Product scores{.a = q,
                   .a_row = s.pitch,
                   .a_k = 1,
                   .b = s.keys,
                   .b_pitch = pitch,
                   .c = to,
                   .c_pitch = s.scores_pitch,
                   .k = t.head_dim,
                   .add = false};
    const Index padded = (width + W - 1) / W * W;
    if (t.rows <= few_rows) return multiply<W>(scores, t.rows, padded);
    Index row = 0;
    for (Index j = 0; j < padded; j += 2 * W) {
      while (row + tile_rows<W> <= t.rows && t.visible(row + tile_rows<W> - 1) <= first + key + j)
        row += tile_rows<W>;
      scores.a = q + row * s.pitch;
      scores.b = s.keys + j;
      scores.c = to + row * s.scores_pitch + j;
      multiply<W>(scores, t.rows - row, std::min<Index>(2 * W, padded - j));
    }
  }

  // y += weights values where values stand, a few keys of all heads after the other.
  template <int W>
  VLM_INLINE static void add_few_values(const ForwardTask& t, const ForwardScratch& s, Index first,
                                        Index width) {
    constexpr Index step = 16;
    const Index columns = t.heads * t.head_dim;
    t.v.prefetch(first, std::min(2 * step, width), columns);
    for (Index key = 0; key < width; key += step) {
      t.v.prefetch(first + key + 2 * step, std::min(step, width - key - 2 * step), columns);
      for (Index h = 0; h < t.heads; ++h) {
        const Index some = std::min(step, width - key);
        const Widened v = widened<W>(t.v, first + key, some, h, t, s);
        const Product product{.a = s.scores + h * t.rows * s.scores_pitch + key,
                              .a_row = s.scores_pitch,
                              .a_k = 1,
                              .b = v.rows,
                              .b_pitch = v.pitch,
                              .c = s.y + h * t.rows * s.pitch,
                              .c_pitch = s.pitch,
                              .k = some,
                              .add = true};
        multiply<W>(product, t.rows, t.head_dim);
      }
    }
  }

  // y += weights values, of the rows of a head.
  template <int W>
  VLM_INLINE static void add_values(const ForwardTask& t, const ForwardScratch& s, Index h, Index first,
                                    Index width) {
    const float* weights = s.scores + h * t.rows * s.scores_pitch;
    float* y = s.y + h * t.rows * s.pitch;
    Product product{.a = weights,
                    .a_row = s.scores_pitch,
                    .a_k = 1,
                    .b = s.values,
                    .b_pitch = s.pitch,
                    .c = y,
                    .c_pitch = s.pitch,
                    .k = width,
                    .add = true};
    for (Index key = 0; key < width; key += key_panel) {
      const Index some = std::min(key_panel, width - key);
      const Widened v = widened<W>(t.v, first + key, some, h, t, s);
      for (Index i = 0; i < some; ++i)
        pack_row<W>(v.rows + i * v.pitch, t.head_dim, 1, s.values + (key + i) * s.pitch);
    }
    const Index padded = (t.head_dim + W - 1) / W * W;
    for (Index j = 0; j < padded; j += 2 * W)
      for (Index r = 0; r < t.rows; r += tile_rows<W>) {
        const Index rows = std::min<Index>(tile_rows<W>, t.rows - r);
        product.k = std::min(t.visible(r + rows - 1) - first, width);
        if (product.k <= 0) continue;
        product.a = weights + r * s.scores_pitch;
        product.b = s.values + j;
        product.c = y + r * s.pitch + j;
        multiply<W>(product, rows, std::min<Index>(2 * W, padded - j));
      }
  }

  // Scores of one row become weights against the running maximum; what was summed is rescaled.
  template <int W>
  VLM_INLINE static void soften(const ForwardTask& t, const ForwardScratch& s, Index r, Index visible,
                                Index width) {
    float* row = s.scores + r * s.scores_pitch;
    Floats<W> value, top, total;
    fill<W>(top, masked_score);
    Index end = 0;  // of the vectors with visible keys
    for (; end + W <= visible; end += W) {
      load<W>(value, row + end);
      top = top < value ? value : top;
    }
    if (end < visible) {
      load<W>(value, row + end);
      mask_from<W>(value, visible - end, masked_score);
      store<W>(row + end, value);
      top = top < value ? value : top;
      end += W;
    }
    const float peak = largest_lane<W>(top);
    load<W>(total, s.sums + r * W);
    if (peak > s.most[r]) {
      value = (s.most[r] - peak) - Floats<W>{};
      power_of_two<W>(value);
      const float factor = value[0];
      total *= factor;
      float* y = s.y + r * s.pitch;
      for (Index j = 0; j < t.head_dim; j += W) {
        load<W>(value, y + j);
        value *= factor;
        store<W>(y + j, value);
      }
      s.most[r] = peak;
    }
    const float most = s.most[r];
    for (Index j = 0; j < end; j += W) {
      load<W>(value, row + j);
      value -= most;
      power_of_two<W>(value);
      store<W>(row + j, value);
      total += value;
    }
    store<W>(s.sums + r * W, total);
    const Floats<W> zeros{};
    for (Index j = end; j < width; j += W) store<W>(row + j, zeros);
  }
};

}  // namespace vlm::cpu::attention
