// Tiles of products with bf16 panels where the processor multiplies pairs of bf16.
#pragma once

#include <vlm/ops/cpu/bf16_pairs.hpp>
#include <vlm/ops/cpu/bf16_tile.hpp>

namespace vlm::cpu {

#if defined(__x86_64__)
struct Bf16DotTile {
  // Six rows of four panels: 24 sums, the weights and one broadcast stay in registers.
  static constexpr int most_rows = 6;

  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma"))) static void run(
      const Bf16Tile& tile, Index rows) {
    Bf16Tile t = tile;
    for (; t.panels >= 4; t.next_panels(4)) run_as<4>(t, rows);
    for (; t.panels >= 2; t.next_panels(2)) run_as<2>(t, rows);
    for (; t.panels >= 1; t.next_panels(1)) run_as<1>(t, rows);
  }

 private:
  static constexpr int W = 16;

  template <int Panels>
  VLM_TARGET_BF16 static void run_as(Bf16Tile t, Index rows) {
    next_rows<Panels, most_rows>(t, rows);
    next_rows<Panels, 4>(t, rows);
    next_rows<Panels, 2>(t, rows);
    next_rows<Panels, 1>(t, rows);
  }
  template <int Panels, int Rows>
  VLM_TARGET_BF16 static void next_rows(Bf16Tile& t, Index& rows) {
    for (; rows >= Rows; rows -= Rows, t.next_rows(Rows)) compute<Panels, Rows>(t);
  }

  template <int Panels, int Rows>
  VLM_TARGET_BF16 static void compute(const Bf16Tile& t) {
    const Index next = t.panel_pitch;
    Floats<W> sum[Rows][Panels];
    VLM_UNROLL for (int i = 0; i < Rows; ++i) VLM_UNROLL for (int v = 0; v < Panels; ++v) {
      if (t.begins)
        sum[i][v] = Floats<W>{};
      else
        load<W>(sum[i][v], t.sums + i * Bf16Tile::sum_pitch + v * W);
    }
    const std::byte* values = t.panel;
    const bf16* a = t.a;
    VLM_UNROLL_TWICE for (Index pair = t.pairs; pair > 0; --pair, values += 4 * W, a += 2) {
      Integers<W> weights[Panels];
      VLM_UNROLL for (int v = 0; v < Panels; ++v) std::memcpy(&weights[v], values + v * next, 4 * W);
      VLM_UNROLL for (int i = 0; i < Rows; ++i) {
        Integers<W> left;
        spread_pair(left, a + i * slab_inputs);
        VLM_UNROLL for (int v = 0; v < Panels; ++v) add_products(sum[i][v], left, weights[v]);
      }
    }
    VLM_UNROLL for (int i = 0; i < Rows; ++i) VLM_UNROLL for (int v = 0; v < Panels; ++v)
        store<W>(t.to + i * t.to_pitch + v * W, sum[i][v]);
  }
};
#endif

}  // namespace vlm::cpu
