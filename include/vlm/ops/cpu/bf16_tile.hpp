// Tiles of products with bf16 panels:  sum[row, output] = sum over pairs of inputs, in order, of a w + a' w'. An element
// is one chain, whatever the tile; a level's kernel decides how a pair is rounded.
#pragma once

#include <vlm/ops/cpu/bf16_rows.hpp>
#include <vlm/ops/cpu/tile.hpp>

namespace vlm::cpu {

inline constexpr int most_panels = 4;

// Up to four panels, from a slab's first pair on, and some rows of that slab.
struct Bf16Tile {
  static constexpr Index sum_pitch = most_panels * panel_outputs;

  const std::byte* panel;
  Index panel_pitch;
  Index panels;
  const bf16* a;  // the first row's; the others follow, slab_inputs apart
  Index pairs;
  bool begins;  // sums start at zero and not with what is there
  float* sums;  // [rows, sum_pitch]

  VLM_INLINE void next_rows(Index rows) {
    a += rows * slab_inputs;
    sums += rows * sum_pitch;
  }
  VLM_INLINE void next_panels(Index count) {
    panel += count * panel_pitch;
    sums += count * panel_outputs;
    panels -= count;
  }
};

// With vectors of floats: two multiply-adds for each pair.
struct Bf16TileKernel {
  template <int W>
  VLM_INLINE static void run(const Bf16Tile* tile, Index rows) {
    Bf16Tile t = *tile;
    for (; rows >= 4; rows -= 4, t.next_rows(4)) outputs<W, 4>(t);
    for (; rows >= 1; rows -= 1, t.next_rows(1)) outputs<W, 1>(t);
  }

 private:
  template <int W, int Rows>
  VLM_INLINE static void outputs(const Bf16Tile& t) {
    constexpr int vectors = W == 16 ? 4 : 2;  // what the registers hold beside four rows
    Index output = 0;
    for (; output + vectors * W <= t.panels * panel_outputs; output += vectors * W)
      compute<W, Rows, vectors>(t, output);
    for (; output < t.panels * panel_outputs; output += W) compute<W, Rows, 1>(t, output);
  }
  template <int W, int Rows, int Vectors>
  VLM_INLINE static void compute(const Bf16Tile& t, Index output) {
    float* sums = t.sums + output;
    const std::byte* values[Vectors];
    Floats<W> sum[Rows][Vectors];
    VLM_UNROLL for (int v = 0; v < Vectors; ++v) {
      const Index at = output + v * W;
      values[v] = t.panel + at / panel_outputs * t.panel_pitch + 4 * (at % panel_outputs);
      VLM_UNROLL for (int i = 0; i < Rows; ++i) {
        sum[i][v] = Floats<W>{};
        if (!t.begins) load<W>(sum[i][v], sums + i * Bf16Tile::sum_pitch + v * W);
      }
    }
    const bf16* a = t.a;
    for (Index pair = 0; pair < t.pairs; ++pair, a += 2) {
      Floats<W> first[Vectors], second[Vectors];
      VLM_UNROLL for (int v = 0; v < Vectors; ++v) {
        Unsigned<W> words;
        std::memcpy(&words, values[v], sizeof words);
        values[v] += 4 * panel_outputs;
        first[v] = (Floats<W>)(words << 16);
        second[v] = (Floats<W>)(words & 0xffff0000u);
      }
      VLM_UNROLL for (int i = 0; i < Rows; ++i) {
        Floats<W> left, right;
        fill<W>(left, static_cast<float>(a[i * slab_inputs]));
        fill<W>(right, static_cast<float>(a[i * slab_inputs + 1]));
        VLM_UNROLL for (int v = 0; v < Vectors; ++v) {
          multiply_add<W>(sum[i][v], left, first[v]);
          multiply_add<W>(sum[i][v], right, second[v]);
        }
      }
    }
    VLM_UNROLL for (int i = 0; i < Rows; ++i) VLM_UNROLL for (int v = 0; v < Vectors; ++v)
        store<W>(sums + i * Bf16Tile::sum_pitch + v * W, sum[i][v]);
  }
};

}  // namespace vlm::cpu
