// Products of few rows, which are bound by reading B: it is read once, as it lies, and never copied.
#pragma once

#include <algorithm>
#include <cstring>

#include <vlm/ops/cpu/product_operands.hpp>
#include <vlm/ops/cpu/tile.hpp>
#include <vlm/ops/cpu/turn.hpp>

namespace vlm::cpu {

inline constexpr Index few_rows = 20;           // up to here the reading of B decides
inline constexpr Index few_streamed_rows = 80;  // the same where B lies along its columns
inline constexpr Index few_columns = 64;        // of one part
inline constexpr Index streamed_floats = 16384, most_streamed_columns = 1024;  // of a part of C
inline constexpr Index fetch_ahead = 64;                                       // elements of a row of B
inline constexpr Index slice_depth = 256;  // so many k of A are copied together

inline Index most_few_rows(const ProductOperands& p) {
  return p.b_column == 1 ? few_streamed_rows : few_rows;
}
inline bool rows_are_few(const ProductOperands& p) { return p.rows <= most_few_rows(p) || p.inner == 0; }
template <class Stored>
struct FewRowsProduct {
  template <int W>
  VLM_INLINE static void run(const ProductOperands& p, const ProductPart& part, float* scratch) {
    if (p.b_column == 1)
      streamed<W>(p, part, scratch);
    else
      turned<W>(p, part, scratch);
  }

  // A and B along k: squares of B are turned in registers and meet all rows at once.
  template <int W>
  VLM_INLINE static void turned(const ProductOperands& p, const ProductPart& part, float* sums) {
    for (Index j = 0; j < part.columns; j += W) {
      const Index columns = std::min<Index>(W, part.columns - j);
      float* c = p.c + part.row * p.c_pitch + part.column + j;
      std::fill_n(sums, part.rows * W, 0.0f);
      if (p.add) copy_block<W>(static_cast<const float*>(c), p.c_pitch, part.rows, columns, sums, W);
      const Stored* b = static_cast<const Stored*>(p.b) + (part.column + j) * p.b_column;
      const float* a = p.a + part.row * p.a_row;
      constexpr Index depth = sizeof(Stored) == 2 ? 2 * W : W;
      Index k = 0;
      for (; columns == W && k + depth <= p.inner; k += depth) {
        const Index soon =
            k + fetch_ahead < p.inner ? k + fetch_ahead : W * p.b_column + k + fetch_ahead - p.inner;
        Floats<W> square[W];
        VLM_UNROLL for (int i = 0; i < W; ++i) __builtin_prefetch(b + i * p.b_column + soon);
        load_turned<W>(square, b + k, p.b_column);
        square_product<W, W == 16 ? 8 : 4>(square, a + k, p.a_row, part.rows, sums);
      }
      for (; k < p.inner; ++k) {
        Floats<W> right = {}, left, sum;
        for (Index i = 0; i < columns; ++i) right[i] = widen(b[i * p.b_column + k]);
        for (Index row = 0; row < part.rows; ++row) {
          broadcast<W>(left, a + row * p.a_row + k);
          load<W>(sum, sums + row * W);
          multiply_add<W>(sum, left, right);
          store<W>(sums + row * W, sum);
        }
      }
      copy_block<W>(static_cast<const float*>(sums), W, part.rows, columns, c, p.c_pitch);
    }
  }
  template <int W, int Rows>
  VLM_INLINE static void square_product(const Floats<W> (&square)[W], const float* a, Index a_row, Index rows,
                                        float* sums) {
    constexpr int neighbours = sizeof(Stored) == 2 ? 2 : 1;  // in each lane
    for (; rows >= Rows; rows -= Rows, a += Rows * a_row, sums += Rows * W) {
      float lefts[Rows][neighbours * W];  // at constant distances, and never a page apart
      Floats<W> sum[Rows], left;
      VLM_UNROLL for (int i = 0; i < Rows; ++i) {
        std::memcpy(lefts[i], a + i * a_row, sizeof lefts[i]);
        load<W>(sum[i], sums + i * W);
      }
      VLM_UNROLL for (int k = 0; k < W; ++k)
          VLM_UNROLL for (int neighbour = 0; neighbour < neighbours; ++neighbour) {
        Floats<W> right = square[k];
        if constexpr (neighbours == 2)  // the first is in the lower half
          right = neighbour == 0 ? (Floats<W>)((Integers<W>)right << 16)
                                 : (Floats<W>)((Integers<W>)right & ~0xffff);
        VLM_UNROLL for (int i = 0; i < Rows; ++i) {
          broadcast<W>(left, &lefts[i][neighbours * k + neighbour]);
          multiply_add<W>(sum[i], left, right);
        }
      }
      VLM_UNROLL for (int i = 0; i < Rows; ++i) store<W>(sums + i * W, sum[i]);
    }
    if constexpr (Rows > 1)
      if (rows > 0) square_product<W, Rows / 2>(square, a, a_row, rows, sums);
  }

  // B along its columns: a part of C stays in the first cache and is continued by a few rows of B at a time, which are
  // read as they lie. C and slices of A are copied: where rows lie at large distances, few of them fit the cache.
  template <int W>
  VLM_INLINE static void streamed(const ProductOperands& p, const ProductPart& part, float* scratch) {
    constexpr int together = W == 16 ? 8 : 4;
    float* c = p.c + part.row * p.c_pitch + part.column;
    Streamed t{.sums = scratch, .pitch = rounded_up(part.columns, 16) + 16, .rows = part.rows};
    float* slice = scratch + part.rows * t.pitch;
    t.a = slice;
    if (p.add)
      copy_block<W>(static_cast<const float*>(c), p.c_pitch, part.rows, part.columns, t.sums, t.pitch);
    else
      std::fill_n(t.sums, part.rows * t.pitch, 0.0f);
    const bool along = p.a_k == 1;
    t.a_row = along ? slice_depth + 16 : 1;
    t.a_k = along ? 1 : rounded_up(part.rows, 16);
    for (Index k0 = 0; k0 < p.inner; k0 += slice_depth) {
      const Index depth = std::min(slice_depth, p.inner - k0);
      copy_block<W>(p.a + part.row * p.a_row + k0 * p.a_k, along ? p.a_row : p.a_k, along ? part.rows : depth,
                    along ? depth : part.rows, slice, along ? t.a_row : t.a_k);
      const Stored* b = static_cast<const Stored*>(p.b) + k0 * p.b_k + part.column;
      Index k = 0;
      for (; k + together <= depth; k += together)
        continue_rows<W, together>(t, b + k * p.b_k, p.b_k, k, part.columns);
      for (; k < depth; ++k) continue_rows<W, 1>(t, b + k * p.b_k, p.b_k, k, part.columns);
    }
    copy_block<W>(static_cast<const float*>(t.sums), t.pitch, part.rows, part.columns, c, p.c_pitch);
  }
  struct Streamed {
    float* sums;
    Index pitch, rows;
    const float* a = nullptr;
    Index a_row = 0, a_k = 0;
  };
  template <int W, int Depth>
  VLM_INLINE static void continue_rows(const Streamed& t, const Stored* b, Index b_k, Index k,
                                       Index columns) {
    const float* a = t.a + k * t.a_k;
    Index j = 0;
    for (; j + 2 * W <= columns; j += 2 * W) {
      Floats<W> right[Depth][2];
      VLM_UNROLL for (int d = 0; d < Depth; ++d) {
        __builtin_prefetch(b + (Depth + d) * b_k + j);
        if constexpr (2 * W * sizeof(Stored) > 64) __builtin_prefetch(b + (Depth + d) * b_k + j + W);
        load_wide<W>(right[d][0], b + d * b_k + j);
        load_wide<W>(right[d][1], b + d * b_k + j + W);
      }
      float* to = t.sums + j;
      const float* row = a;
      for (Index i = 0; i < t.rows; ++i, to += t.pitch, row += t.a_row) {
        Floats<W> sum[2], left;
        load<W>(sum[0], to), load<W>(sum[1], to + W);
        VLM_UNROLL for (int d = 0; d < Depth; ++d) {
          broadcast<W>(left, row + d * t.a_k);
          multiply_add<W>(sum[0], left, right[d][0]);
          multiply_add<W>(sum[1], left, right[d][1]);
        }
        store<W>(to, sum[0]);
        store<W>(to + W, sum[1]);
      }
    }
    for (; j < columns; j += W) {  // the sums have room for whole vectors
      const Index count = std::min<Index>(W, columns - j);
      Floats<W> right[Depth];
      for (int d = 0; d < Depth; ++d) {
        float wide[W] = {};
        for (Index lane = 0; lane < count; ++lane) wide[lane] = widen(b[d * b_k + j + lane]);
        load<W>(right[d], wide);
      }
      for (Index i = 0; i < t.rows; ++i) {
        float* to = t.sums + i * t.pitch + j;
        Floats<W> sum, left;
        load<W>(sum, to);
        for (int d = 0; d < Depth; ++d) {
          broadcast<W>(left, a + i * t.a_row + d * t.a_k);
          multiply_add<W>(sum, left, right[d]);
        }
        store<W>(to, sum);
      }
    }
  }
};

}  // namespace vlm::cpu
