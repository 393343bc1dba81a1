// Attention forward of some queries. The queries of all heads that share a key head are rows of one tile; the
// keys are walked block by block, from the first of the sequence, with a running softmax in base 2. After each span of
// keys the running softmax begins anew, and the spans are added in order: so a span can be another thread's task.
// Rounded tasks multiply pairs of bf16: of features for scores, of keys for values. Borders of blocks and spans hang on
// the keys alone. Rows of keys are turned panel by panel in the worker's scratch, pages are read as they are stored or
// widened there; scores stay in the scratch, which hangs neither on queries nor on keys.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <vlm/core/cell_pages.hpp>
#include <vlm/ops/cpu/attention_tile.hpp>

namespace vlm::cpu::attention {

inline constexpr Index forward_rows = 384;  // most of a task
inline constexpr Index forward_keys = 256;  // of a block, that share a running maximum
inline constexpr Index span_keys = 1024;    // of a span, in whole blocks
inline constexpr Index key_panel = 64;      // of a block, that are turned at once
// Up to so many rows of a key head, keys and values are read where they stand; for more they are packed first, but for
// pairs of keys in pages.
inline constexpr Index few_rows = 12;
inline constexpr Index most_heads = forward_rows / few_rows;

// Keys or values of a sequence: rows of f32 side by side, or the cells of one head in pages. A panel is a page.
struct StoredRows {
  const float* rows = nullptr;  // where there are no pages
  Index pitch = 0;
  std::byte* const* pages = nullptr;  // of the sequence, or null
  std::size_t offset = 0;             // of the head's part in a page
  std::size_t scales = 0;             // of the scales in the part; 0: there are none
  CellFormat format = CellFormat::F32;

  const std::byte* page(Index key) const { return pages[key / key_panel] + offset; }
  const float* page_scales(Index key) const { return reinterpret_cast<const float*>(page(key) + scales); }
  // Asks for rows [row, row + count), or for the page of `row`.
  void prefetch(Index row, Index count, Index columns) const {
    if (count <= 0) return;
    if (pages)
      prefetch_bytes(page(row), static_cast<std::size_t>(key_panel * columns) * size_of(format) +
                                    (scales > 0 ? key_panel * sizeof(float) : 0));
    else
      prefetch_rows(rows + row * pitch, pitch, count, columns);
  }
};
static_assert(CellPages<Cpu>::cells == key_panel);

// Some rows of each of a few neighbouring key heads. Row r of a key head is query (first_row + r) / group and
// head (first_row + r) % group. Several heads at once are for few rows without pages: their keys stand side by side.
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
  bool rounded = false;  // to bf16 before products; only at W = 16

  bool few() const { return rows <= few_rows && (k.pages || !rounded); }
  Index query(Index r) const { return (first_row + r) / group; }
  Index head(Index h, Index r) const { return h * group + (first_row + r) % group; }
  Index visible(Index r) const {
    return causal ? std::clamp<Index>(first_visible + query(r), 0, keys) : keys;
  }
};

// Of a running softmax, for each row: what is summed of the values, lanes of the sum of weights, the largest score.
struct ForwardState {
  float *y, *sums, *most;

  static Index floats(Index rows, Index pitch) { return rows * (pitch + 17); }
  ForwardState(float* at, Index rows, Index pitch) : y(at), sums(y + rows * pitch), most(sums + rows * 16) {}
};

struct ForwardScratch {
  Index pitch, scores_pitch;
  float *q, *scores, *keys, *values, *states;

  explicit ForwardScratch(float* at, Index head_dim)
      : pitch(packed_pitch(head_dim)), scores_pitch(packed_pitch(forward_keys)) {
    q = at;
    scores = q + forward_rows * pitch;
    keys = scores + forward_rows * scores_pitch;
    values = keys + head_dim * packed_pitch(key_panel);
    states = values + forward_keys * pitch;
  }
  ForwardState state(Index number) const {
    return {states + number * ForwardState::floats(forward_rows, pitch), forward_rows, pitch};
  }
  static Index floats(Index head_dim) {
    const Index pitch = packed_pitch(head_dim);
    return (forward_rows + forward_keys) * pitch + forward_rows * packed_pitch(forward_keys) +
           head_dim * packed_pitch(key_panel) + 2 * ForwardState::floats(forward_rows, pitch);
  }
};

struct ForwardSteps {
  template <int W>
  VLM_INLINE static void pack_queries(const ForwardTask& t, const ForwardScratch& s) {
    for (Index h = 0; h < t.heads; ++h)
      for (Index r = 0; r < t.rows; ++r) {
        const float* q = t.q + t.query(r) * t.q_pitch + t.head(h, r) * t.head_dim;
        float* to = s.q + (h * t.rows + r) * s.pitch;
        if (t.rounded)
          round_row<W>(q, t.head_dim, t.scale * log2_of_e, to);
        else
          pack_row<W>(q, t.head_dim, t.scale * log2_of_e, to);
      }
  }

  // All rows against the span that begins with key `first`, of the `seen` ones.
  template <int W>
  VLM_INLINE static void span(const ForwardTask& t, const ForwardScratch& s, const ForwardState& state,
                              Index first, Index seen) {
    const Index padded = (t.head_dim + W - 1) / W * W;
    for (Index at = 0; at < t.heads * t.rows; ++at) {
      for (Index j = 0; j < padded; ++j) state.y[at * s.pitch + j] = 0;
      for (Index j = 0; j < W; ++j) state.sums[at * W + j] = 0;
      state.most[at] = masked_score;
    }
    const Index end = std::min(first + span_keys, seen);
    for (; first < end; first += forward_keys)
      block<W>(t, s, state, first, std::min(forward_keys, end - first), seen);
  }

  // Adds the span that begins with key `first` to the spans before it.
  template <int W>
  VLM_INLINE static void add_span(const ForwardTask& t, Index pitch, const ForwardState& total,
                                  const ForwardState& part, Index first) {
    for (Index at = 0; at < t.heads * t.rows; ++at) {
      if (t.visible(at % t.rows) <= first) continue;
      const float most = std::max(total.most[at], part.most[at]);
      Floats<W> kept = (total.most[at] - most) - Floats<W>{}, added = (part.most[at] - most) - Floats<W>{};
      bounded_power_of_two<W>(kept);
      bounded_power_of_two<W>(added);
      total.most[at] = most;
      mix<W>(total.sums + at * W, kept, part.sums + at * W, added, W);
      mix<W>(total.y + at * pitch, kept, part.y + at * pitch, added, t.head_dim);
    }
  }
  // to = kept * to + added * from, up to a multiple of W.
  template <int W>
  VLM_INLINE static void mix(float* to, const Floats<W>& kept, const float* from, const Floats<W>& added,
                             Index columns) {
    for (Index j = 0; j < columns; j += W) {
      Floats<W> total, part;
      load<W>(total, to + j);
      load<W>(part, from + j);
      total *= kept;
      total += part * added;
      store<W>(to + j, total);
    }
  }

  template <int W>
  VLM_INLINE static void give_rows(const ForwardTask& t, Index pitch, const ForwardState& state) {
    for (Index h = 0; h < t.heads; ++h)
      for (Index r = 0; r < t.rows; ++r) {
        const Index at = h * t.rows + r, query = t.query(r), head = t.head(h, r);
        Floats<W> sums;
        load<W>(sums, state.sums + at * W);
        const float sum = sum_of<W>(sums);
        give_row<W>(state.y + at * pitch, t.head_dim, 1.0f / sum, false,
                    t.y + query * t.y_pitch + head * t.head_dim);
        if (t.logsumexp)
          t.logsumexp[query * t.logsumexp_pitch + head] = (state.most[at] + std::log2(sum)) * log_of_2;
      }
  }

  // All rows against keys [first, first + width) of the `seen` ones.
  template <int W>
  VLM_INLINE static void block(const ForwardTask& t, const ForwardScratch& s, const ForwardState& state,
                               Index first, Index width, Index seen) {
    const Index columns = t.heads * t.head_dim;
    const bool few = t.few();
    for (Index key = 0; key < width; key += key_panel) {
      const Index at = first + key, some = std::min(key_panel, width - key);
      if (!few) t.v.prefetch(at, some, columns);
      t.k.prefetch(at + some, std::min(key_panel, seen - at - some), columns);
      for (Index h = 0; h < t.heads; ++h) score_panel<W>(t, s, h, first, key, some);
    }
    for (Index h = 0; h < t.heads; ++h)
      for (Index r = 0; r < t.rows; ++r) {
        soften<W>(t, s, state, h * t.rows + r, std::min(t.visible(r) - first, width), width);
        if (t.rounded) round_weights<W>(s.scores + (h * t.rows + r) * s.scores_pitch, width);
      }
    if (t.v.scales > 0)
      for (Index key = 0; key < width; key += key_panel)
        scale_panel<W>(t, s, t.v.page_scales(first + key), key, std::min(key_panel, width - key));
    if (few && t.v.pages) return add_page_values<W>(t, s, state, first, width);
    if (few) return add_few_values<W>(t, s, state, first, width);
    for (Index h = 0; h < t.heads; ++h) add_values<W>(t, s, state, h, first, width);
  }

  // In place. Weights behind the last visible key are zeros; where the value there is not finite, that shows nonetheless.
  template <int W>
  VLM_INLINE static void round_weights(float* weights, Index width) {
    round_row<W>(weights, (width + W - 1) / W * W, 1, weights);
  }
  // Scores, or weights, of a panel of keys times the scales of its cells. Scores are a multiple of W; what the scales
  // behind the last key make of them is masked.
  template <int W>
  VLM_INLINE static void scale_panel(const ForwardTask& t, const ForwardScratch& s, const float* scales,
                                     Index key, Index width) {
    for (Index r = 0; r < t.rows; ++r) scale_row<W>(s.scores + r * s.scores_pitch + key, scales, width);
  }

  // Scores of the rows of a head and keys [first + key, first + key + width).
  template <int W>
  VLM_INLINE static void score_panel(const ForwardTask& t, const ForwardScratch& s, Index h, Index first,
                                     Index key, Index width) {
    constexpr Index pitch = key_panel + 16;
    if constexpr (has_pairs<W>)
      if (t.rounded && !t.k.pages) return score_pairs<W>(t, s, h, first, key, width);
    if (!t.k.pages) {
      turn<W>(t.k.rows + (first + key) * t.k.pitch + h * t.head_dim, t.k.pitch, width, t.head_dim, s.keys,
              pitch);
      return score<W>(t, s, h, first, key, width, static_cast<const float*>(s.keys), pitch);
    }
    const std::byte* page = t.k.page(first + key);
    if (t.k.format == CellFormat::F32)
      return score<W>(t, s, h, first, key, width, reinterpret_cast<const float*>(page), key_panel);
    if (t.k.format == CellFormat::BF16)
      return score_joined<W>(t, s, first, key, width, reinterpret_cast<const Joined*>(page));
    if (t.few()) {
      score<W>(t, s, 0, first, key, width, reinterpret_cast<const std::int8_t*>(page), key_panel);
    } else {
      for (Index j = 0; j < t.head_dim; ++j)
        widen_row<W>(reinterpret_cast<const std::int8_t*>(page) + j * key_panel, key_panel,
                     s.keys + j * pitch);
      score<W>(t, s, 0, first, key, width, static_cast<const float*>(s.keys), pitch);
    }
    scale_panel<W>(t, s, t.k.page_scales(first + key), key, width);
  }
  template <int W>
  VLM_INLINE static void score_joined(const ForwardTask& t, const ForwardScratch& s, Index first, Index key,
                                      Index width, const Joined* page) {
    constexpr Index pitch = key_panel + 16;
    if constexpr (has_pairs<W>)
      if (t.rounded)
        return score<W>(t, s, 0, first, key, width, reinterpret_cast<const Pair*>(page), key_panel);
    if (t.few()) return score<W>(t, s, 0, first, key, width, page, key_panel);
    for (Index j = 0; j < t.head_dim; j += 2)
      split_row<W>(page + j / 2 * key_panel, key_panel, s.keys + j * pitch, s.keys + (j + 1) * pitch);
    score<W>(t, s, 0, first, key, width, static_cast<const float*>(s.keys), pitch);
  }
  // The rows are rounded to the values' scratch, and turned as words.
  template <int W>
  VLM_INLINE static void score_pairs(const ForwardTask& t, const ForwardScratch& s, Index h, Index first,
                                     Index key, Index width) {
    constexpr Index pitch = key_panel + 16;
    const Index words = (t.head_dim / 2 + 7) / 8 * 8;
    for (Index i = 0; i < width; ++i)
      round_row<W>(t.k.rows + (first + key + i) * t.k.pitch + h * t.head_dim, t.head_dim, 1,
                   s.values + i * words);
    turn<W>(s.values, words, width, words, s.keys, pitch);
    score<W>(t, s, h, first, key, width, reinterpret_cast<const Pair*>(s.keys), pitch);
  }
  // Of turned keys, [head_dim, width].
  template <int W, class Number>
  VLM_INLINE static void score(const ForwardTask& t, const ForwardScratch& s, Index h, Index first, Index key,
                               Index width, const Number* keys, Index pitch) {
    const float* q = s.q + h * t.rows * s.pitch;
    float* to = s.scores + h * t.rows * s.scores_pitch + key;
    ProductOf<Number> scores{.a = q,
                             .a_row = s.pitch,
                             .a_k = 1,
                             .b = keys,
                             .b_pitch = pitch,
                             .c = to,
                             .c_pitch = s.scores_pitch,
                             .k = t.head_dim / numbers_in<Number>,
                             .add = false};
    const Index padded = (width + W - 1) / W * W;
    if (t.few()) return multiply<W>(scores, t.rows, padded);
    if constexpr (std::is_same_v<Number, float> || std::is_same_v<Number, Pair>) {
      Index row = 0;
      for (Index j = 0; j < padded; j += 2 * W) {
        while (row + tile_rows<W> <= t.rows && t.visible(row + tile_rows<W> - 1) <= first + key + j)
          row += tile_rows<W>;
        scores.a = q + row * s.pitch;
        scores.b = keys + j;
        scores.c = to + row * s.scores_pitch + j;
        multiply<W>(scores, t.rows - row, std::min<Index>(2 * W, padded - j));
      }
    }
  }

  // y += weights values where the rows of values stand, a few keys of all heads after the other.
  template <int W>
  VLM_INLINE static void add_few_values(const ForwardTask& t, const ForwardScratch& s,
                                        const ForwardState& state, Index first, Index width) {
    constexpr Index step = 16;
    const Index columns = t.heads * t.head_dim;
    t.v.prefetch(first, std::min(2 * step, width), columns);
    for (Index key = 0; key < width; key += step) {
      t.v.prefetch(first + key + 2 * step, std::min(step, width - key - 2 * step), columns);
      for (Index h = 0; h < t.heads; ++h)
        add_values_of<W>(t, s, state, h, key, std::min(step, width - key),
                         t.v.rows + (first + key) * t.v.pitch + h * t.head_dim, t.v.pitch);
    }
  }
  // The same for pages.
  template <int W>
  VLM_INLINE static void add_page_values(const ForwardTask& t, const ForwardScratch& s,
                                         const ForwardState& state, Index first, Index width) {
    t.v.prefetch(first, key_panel, t.head_dim);
    for (Index key = 0; key < width; key += key_panel) {
      const Index some = std::min(key_panel, width - key);
      t.v.prefetch(first + key + some, width - key - some, t.head_dim);
      const std::byte* page = t.v.page(first + key);
      if (t.v.format == CellFormat::F32)
        add_values_of<W>(t, s, state, 0, key, some, reinterpret_cast<const float*>(page), t.head_dim);
      else if (t.v.format == CellFormat::I8)
        add_values_of<W>(t, s, state, 0, key, some, reinterpret_cast<const std::int8_t*>(page), t.head_dim);
      else if (t.rounded)
        add_paired_values<W>(t, s, state, key, some, reinterpret_cast<const Pair*>(page));
      else
        add_paired_values<W>(t, s, state, key, some, reinterpret_cast<const Joined*>(page));
    }
  }
  // Nothing is known of what stands beside a last single key.
  template <int W, class Number>
  VLM_INLINE static void add_paired_values(const ForwardTask& t, const ForwardScratch& s,
                                           const ForwardState& state, Index key, Index width,
                                           const Number* values) {
    if constexpr (std::is_same_v<Number, Joined> || has_pairs<W>) {
      const Index even = width / 2 * 2;
      if (even > 0) add_values_of<W>(t, s, state, 0, key, even, values, t.head_dim);
      if (even == width) return;
      first_of_row<W>(values + even / 2 * t.head_dim, t.head_dim, s.values);
      add_values_of<W>(t, s, state, 0, key + even, 2, reinterpret_cast<const Number*>(s.values), t.head_dim);
    }
  }
  template <int W, class Number>
  VLM_INLINE static void add_values_of(const ForwardTask& t, const ForwardScratch& s,
                                       const ForwardState& state, Index h, Index key, Index width,
                                       const Number* values, Index pitch) {
    constexpr int numbers = numbers_in<Number>;
    const ProductOf<Number> product{
        .a = s.scores + h * t.rows * s.scores_pitch + key / numbers * floats_for<Number>,
        .a_row = s.scores_pitch,
        .a_k = 1,
        .b = values,
        .b_pitch = pitch,
        .c = state.y + h * t.rows * s.pitch,
        .c_pitch = s.pitch,
        .k = width / numbers,
        .add = true};
    multiply<W>(product, t.rows, t.head_dim);
  }

  // y += weights values, of the rows of a head.
  template <int W>
  VLM_INLINE static void add_values(const ForwardTask& t, const ForwardScratch& s, const ForwardState& state,
                                    Index h, Index first, Index width) {
    if constexpr (has_pairs<W>)
      if (t.rounded) return add_pairs<W>(t, s, state, h, first, width);
    for (Index key = 0; key < width; key += key_panel)
      pack_values<W>(t, s, h, first, key, std::min(key_panel, width - key));
    add_packed_values<W>(t, s, state, h, first, width, static_cast<const float*>(s.values));
  }
  // The same in pairs of keys.
  template <int W>
  VLM_INLINE static void add_pairs(const ForwardTask& t, const ForwardScratch& s, const ForwardState& state,
                                   Index h, Index first, Index width) {
    const float* values = t.v.rows + first * t.v.pitch + h * t.head_dim;
    for (Index key = 0; key < width; key += 2) {
      float* to = s.values + key / 2 * s.pitch;
      const bool single = key + 1 == width;
      if (!t.v.pages) {
        join_rows<W>(values + key * t.v.pitch, single ? nullptr : values + (key + 1) * t.v.pitch, t.head_dim,
                     to);
        continue;
      }
      const auto* page =
          reinterpret_cast<const Pair*>(t.v.page(first + key)) + key % key_panel / 2 * t.head_dim;
      if (single)
        first_of_row<W>(page, t.head_dim, to);
      else
        std::memcpy(to, page, static_cast<std::size_t>(t.head_dim) * sizeof *page);
    }
    add_packed_values<W>(t, s, state, h, first, width, reinterpret_cast<const Pair*>(s.values));
  }
  template <int W, class Number>
  VLM_INLINE static void add_packed_values(const ForwardTask& t, const ForwardScratch& s,
                                           const ForwardState& state, Index h, Index first, Index width,
                                           const Number* values) {
    constexpr Index together = numbers_in<Number>;
    const float* weights = s.scores + h * t.rows * s.scores_pitch;
    float* y = state.y + h * t.rows * s.pitch;
    ProductOf<Number> product{.a = weights,
                              .a_row = s.scores_pitch,
                              .a_k = 1,
                              .b = values,
                              .b_pitch = s.pitch,
                              .c = y,
                              .c_pitch = s.pitch,
                              .k = width,
                              .add = true};
    const Index padded = (t.head_dim + W - 1) / W * W;
    for (Index j = 0; j < padded; j += 2 * W)
      for (Index r = 0; r < t.rows; r += tile_rows<W>) {
        const Index rows = std::min<Index>(tile_rows<W>, t.rows - r);
        product.k = (std::min(t.visible(r + rows - 1) - first, width) + together - 1) / together;
        if (product.k <= 0) continue;
        product.a = weights + r * s.scores_pitch;
        product.b = values + j;
        product.c = y + r * s.pitch + j;
        multiply<W>(product, rows, std::min<Index>(2 * W, padded - j));
      }
  }
  template <int W>
  VLM_INLINE static void pack_values(const ForwardTask& t, const ForwardScratch& s, Index h, Index first,
                                     Index key, Index width) {
    if (!t.v.pages)
      return widen_rows<W>(t.v.rows + (first + key) * t.v.pitch + h * t.head_dim, t.v.pitch, t, s, key,
                           width);
    const std::byte* page = t.v.page(first + key);
    if (t.v.format == CellFormat::F32)
      widen_rows<W>(reinterpret_cast<const float*>(page), t.head_dim, t, s, key, width);
    else if (t.v.format == CellFormat::BF16)
      split_rows<W>(reinterpret_cast<const Joined*>(page), t, s, key, width);
    else
      widen_rows<W>(reinterpret_cast<const std::int8_t*>(page), t.head_dim, t, s, key, width);
  }
  // The row behind a last single one is room for what stands beside it.
  template <int W>
  VLM_INLINE static void split_rows(const Joined* from, const ForwardTask& t, const ForwardScratch& s,
                                    Index key, Index width) {
    for (Index i = 0; i < width; i += 2, from += t.head_dim)
      split_row<W>(from, t.head_dim, s.values + (key + i) * s.pitch, s.values + (key + i + 1) * s.pitch);
  }
  template <int W, class Number>
  VLM_INLINE static void widen_rows(const Number* from, Index pitch, const ForwardTask& t,
                                    const ForwardScratch& s, Index key, Index width) {
    for (Index i = 0; i < width; ++i)
      widen_row<W>(from + i * pitch, t.head_dim, s.values + (key + i) * s.pitch);
  }

  // Scores of one row become weights against the running maximum; what was summed is rescaled.
  template <int W>
  VLM_INLINE static void soften(const ForwardTask& t, const ForwardScratch& s, const ForwardState& state,
                                Index r, Index visible, Index width) {
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
    load<W>(total, state.sums + r * W);
    if (peak > state.most[r]) {
      value = (state.most[r] - peak) - Floats<W>{};
      bounded_power_of_two<W>(value);
      const float factor = value[0];
      total *= factor;
      float* y = state.y + r * s.pitch;
      for (Index j = 0; j < t.head_dim; j += W) {
        load<W>(value, y + j);
        value *= factor;
        store<W>(y + j, value);
      }
      state.most[r] = peak;
    }
    const float most = state.most[r];
    for (Index j = 0; j < end; j += W) {
      load<W>(value, row + j);
      value -= most;
      bounded_power_of_two<W>(value);
      store<W>(row + j, value);
      total += value;
    }
    store<W>(state.sums + r * W, total);
    const Floats<W> zeros{};
    for (Index j = end; j < width; j += W) store<W>(row + j, zeros);
  }
};

// A task; or one span of it, whose state goes to `state`, for few rows.
struct ForwardKernel {
  template <int W>
  VLM_INLINE static void run(const ForwardTask* task, float* scratch, Index first, float* state) {
    const ForwardTask& t = *task;
    const ForwardScratch s(scratch, t.head_dim);
    const ForwardState total = state ? ForwardState(state, t.rows, s.pitch) : s.state(0), part = s.state(1);
    ForwardSteps::pack_queries<W>(t, s);
    const Index seen = t.visible(t.rows - 1), end = state ? first + span_keys : seen;
    for (bool begins = true; begins || first < end; first += span_keys, begins = false) {
      ForwardSteps::span<W>(t, s, begins ? total : part, first, seen);
      if (!begins) ForwardSteps::add_span<W>(t, s.pitch, total, part, first);
    }
    if (!state) ForwardSteps::give_rows<W>(t, s.pitch, total);
  }
};

// Adds `count` spans, the first of which begins with key `first`, to those before, of which there are none where first
// is 0; where they are the last, the rows are done. The total and the spans have their states one after the other.
struct AddSpansKernel {
  template <int W>
  VLM_INLINE static void run(const ForwardTask* task, float* states, Index count, Index first) {
    const ForwardTask& t = *task;
    const Index pitch = packed_pitch(t.head_dim), size = ForwardState::floats(t.rows, pitch);
    const ForwardState total(states, t.rows, pitch);
    for (Index i = 1; i <= count; ++i, first += span_keys) {
      if (first >= t.keys) break;
      float* part = states + i * size;
      if (first == 0)
        std::memcpy(states, part, static_cast<std::size_t>(size) * sizeof(float));
      else
        ForwardSteps::add_span<W>(t, pitch, total, {part, t.rows, pitch}, first);
    }
    if (first >= t.keys) ForwardSteps::give_rows<W>(t, pitch, total);
  }
};

}  // namespace vlm::cpu::attention
