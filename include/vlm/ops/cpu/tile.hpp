// The small product that every matrix kernel rests on:  C[i, j] (+)= sum over k, in order, of A[i,
// k] * B[k, j]. Tiles of C stay in registers; each element is one chain of fused multiply-adds
// whatever the tile's shape.
#pragma once

#include <vlm/ops/cpu/lanes.hpp>

namespace vlm::cpu {

// Strided operands: A by both strides, B row by row.
struct TileOperands {
  const float* a;
  Index a_row, a_k;
  const float* b;
  Index b_pitch;
  const float* from;  // the chains that are continued; none: they start at zero
  Index from_pitch;
  float* c;
  Index c_pitch;
  Index k;
};

// 24 sums, the vectors and one broadcast stay in registers. Of the shapes that fit, this one has few instructions for
// each multiply-add, which decides where two threads share a core.
inline constexpr int tile_rows = 6;
template <int W>
inline constexpr int tile_vectors = W == 16 ? 4 : 2;

// How A lies: neighbours along k, neighbours along the rows, or anyhow.
enum class TileOrder { AlongK, AlongRows, Any };

// Written out as instructions for g++, which otherwise moves the sums from register to register.
template <int W>
VLM_INLINE void broadcast(Floats<W>& lanes, const float* from) {
#if defined(__x86_64__) && !defined(__clang__)
  if constexpr (W >= 8)
    asm("vbroadcastss %1, %0" : "=v"(lanes) : "m"(*from));
  else
#endif
    fill<W>(lanes, *from);
}
// sum += left * right
template <int W>
VLM_INLINE void multiply_add(Floats<W>& sum, const Floats<W>& left, const Floats<W>& right) {
#if defined(__x86_64__) && !defined(__clang__)
  if constexpr (W >= 8)
    asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(left), "v"(right));
  else
#endif
    sum += left * right;
}

template <int W, int Rows, int Vectors, TileOrder Order>
VLM_INLINE void tile_kernel(const TileOperands& t) {
  Floats<W> sum[Rows][Vectors];
  VLM_UNROLL for (int i = 0; i < Rows; ++i) VLM_UNROLL for (int v = 0; v < Vectors; ++v) {
    if (t.from)
      load<W>(sum[i][v], t.from + i * t.from_pitch + v * W);
    else
      sum[i][v] = Floats<W>{};
  }
  // One pointer for every three rows keeps the addresses in registers.
  constexpr int groups = Order == TileOrder::AlongRows ? 1 : (Rows + 2) / 3,
                group_rows = groups == 1 ? Rows : 3;
  const Index a_row = Order == TileOrder::AlongRows ? 1 : t.a_row,
              a_k = Order == TileOrder::AlongK ? 1 : t.a_k;
  const float* a[groups];
  VLM_UNROLL for (int group = 0; group < groups; ++group) a[group] = t.a + group_rows * group * a_row;
  const float* b = t.b;
  const Index b_pitch = t.b_pitch;
  for (Index k = t.k; k > 0; --k) {
    Floats<W> right[Vectors];
    VLM_UNROLL for (int v = 0; v < Vectors; ++v) load<W>(right[v], b + v * W);
    VLM_UNROLL for (int i = 0; i < Rows; ++i) {
      Floats<W> left;
      broadcast<W>(left, a[i / group_rows] + i % group_rows * a_row);
      VLM_UNROLL for (int v = 0; v < Vectors; ++v) multiply_add<W>(sum[i][v], left, right[v]);
    }
    b += b_pitch;
    VLM_UNROLL for (int group = 0; group < groups; ++group) a[group] += a_k;
  }
  VLM_UNROLL for (int i = 0; i < Rows; ++i) VLM_UNROLL for (int v = 0; v < Vectors; ++v)
      store<W>(t.c + i * t.c_pitch + v * W, sum[i][v]);
}

template <int W, int Rows, int Vectors, TileOrder Order = TileOrder::Any>
VLM_INLINE void next_tile(TileOperands& t, Index& rows) {
  tile_kernel<W, Rows, Vectors, Order>(t);
  t.a += Rows * t.a_row;
  if (t.from) t.from += Rows * t.from_pitch;
  t.c += Rows * t.c_pitch;
  rows -= Rows;
}
VLM_INLINE void next_columns(TileOperands& t, Index columns) {
  t.b += columns;
  if (t.from) t.from += columns;
  t.c += columns;
}

template <int W, int Vectors>
VLM_INLINE void tile_rows_of(TileOperands t, Index rows) {
  if constexpr (Vectors == tile_vectors<W>) {
    if (t.a_k == 1)
      while (rows >= tile_rows) next_tile<W, tile_rows, Vectors, TileOrder::AlongK>(t, rows);
    if (t.a_row == 1)
      while (rows >= tile_rows) next_tile<W, tile_rows, Vectors, TileOrder::AlongRows>(t, rows);
  } else {
    while (rows >= tile_rows) next_tile<W, tile_rows, Vectors>(t, rows);
  }
  if (rows >= 4) next_tile<W, 4, Vectors>(t, rows);
  if (rows >= 2) next_tile<W, 2, Vectors>(t, rows);
  if (rows >= 1) next_tile<W, 1, Vectors>(t, rows);
}

// Any number of rows; columns a multiple of 8; A has one stride of 1. Reads and writes nothing outside.
template <int W>
VLM_INLINE void tile_product(const TileOperands& operands, Index rows, Index columns) {
  TileOperands t = operands;
  if constexpr (W == 16)
    for (; columns >= 4 * W; columns -= 4 * W, next_columns(t, 4 * W)) tile_rows_of<W, 4>(t, rows);
  for (; columns >= 2 * W; columns -= 2 * W, next_columns(t, 2 * W)) tile_rows_of<W, 2>(t, rows);
  for (; columns >= W; columns -= W, next_columns(t, W)) tile_rows_of<W, 1>(t, rows);
  if constexpr (W == 16) {
    if (columns > 0) tile_rows_of<8, 1>(t, rows);
  }
}

}  // namespace vlm::cpu
