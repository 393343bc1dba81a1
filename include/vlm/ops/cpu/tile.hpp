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
  float* c;
  Index c_pitch;
  Index k;
  bool add;  // continue the chain that stands in C
};

template <int W>
inline constexpr int tile_rows = W == 16 ? 12 : 6;

template <int W, int Rows, int Vectors>
VLM_INLINE void tile_kernel(const TileOperands& t) {
  Floats<W> sum[Rows][Vectors];
  VLM_UNROLL for (int i = 0; i < Rows; ++i) VLM_UNROLL for (int v = 0; v < Vectors; ++v) {
    if (t.add)
      load<W>(sum[i][v], t.c + i * t.c_pitch + v * W);
    else
      sum[i][v] = Floats<W>{};
  }
  // One pointer for every three rows keeps the addresses in registers.
  constexpr int groups = (Rows + 2) / 3;
  const float* a[groups];
  VLM_UNROLL for (int group = 0; group < groups; ++group) a[group] = t.a + 3 * group * t.a_row;
  const float* b = t.b;
  const Index a_row = t.a_row, a_k = t.a_k;
  for (Index k = 0; k < t.k; ++k, b += t.b_pitch) {
    Floats<W> right[Vectors];
    VLM_UNROLL for (int v = 0; v < Vectors; ++v) load<W>(right[v], b + v * W);
    VLM_UNROLL for (int i = 0; i < Rows; ++i) {
      const float left = a[i / 3][i % 3 * a_row];
      VLM_UNROLL for (int v = 0; v < Vectors; ++v) sum[i][v] += left * right[v];
    }
    VLM_UNROLL for (int group = 0; group < groups; ++group) a[group] += a_k;
  }
  VLM_UNROLL for (int i = 0; i < Rows; ++i) VLM_UNROLL for (int v = 0; v < Vectors; ++v)
      store<W>(t.c + i * t.c_pitch + v * W, sum[i][v]);
}

template <int W, int Rows, int Vectors>
VLM_INLINE void next_tile(TileOperands& t, Index& rows) {
  tile_kernel<W, Rows, Vectors>(t);
  t.a += Rows * t.a_row;
  t.c += Rows * t.c_pitch;
  rows -= Rows;
}

template <int W, int Vectors>
VLM_INLINE void tile_rows_of(TileOperands t, Index rows) {
  while (rows >= tile_rows<W>) next_tile<W, tile_rows<W>, Vectors>(t, rows);
  if constexpr (W == 16) {
    if (rows >= 8) next_tile<W, 8, Vectors>(t, rows);
  }
  if (rows >= 4) next_tile<W, 4, Vectors>(t, rows);
  if (rows >= 2) next_tile<W, 2, Vectors>(t, rows);
  if (rows >= 1) next_tile<W, 1, Vectors>(t, rows);
}

// Any number of rows; columns a multiple of 8. Reads and writes nothing outside.
template <int W>
VLM_INLINE void tile_product(const TileOperands& operands, Index rows, Index columns) {
  TileOperands t = operands;
  if (rows <= 2)  // few chains: more columns at once, to hide the latency of each
    for (; columns >= 4 * W; columns -= 4 * W, t.b += 4 * W, t.c += 4 * W) {
      TileOperands few = t;
      Index left = rows;
      if (left == 2) next_tile<W, 2, 4>(few, left);
      if (left == 1) next_tile<W, 1, 4>(few, left);
    }
  for (; columns >= 2 * W; columns -= 2 * W, t.b += 2 * W, t.c += 2 * W) tile_rows_of<W, 2>(t, rows);
  for (; columns >= W; columns -= W, t.b += W, t.c += W) tile_rows_of<W, 1>(t, rows);
  if constexpr (W == 16) {
    if (columns > 0) tile_rows_of<8, 1>(t, rows);
  }
}

}  // namespace vlm::cpu
