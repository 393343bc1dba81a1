// Tiles of products with bf16 panels:  sum[row, output] = sum over pairs of inputs, in order, of a w + a' w'. An element
// is one chain, whatever the tile; a level's kernel decides how a pair is rounded.
#pragma once

#include <vlm/ops/cpu/bf16_rows.hpp>
#include <vlm/ops/cpu/block_tile.hpp>
#include <vlm/ops/cpu/product_many.hpp>

namespace vlm::cpu {

inline constexpr int most_panels = 4;

// Up to four panels, from a slab's first pair on, and some rows of that slab.
struct Bf16Tile {
  static constexpr Index sum_pitch = most_panels * panel_outputs;

  const std::byte* panel = nullptr;
  Index panel_pitch = 0;
  Index panels;
  const bf16* a;  // the first row's; the others follow, slab_inputs apart
  Index pairs;
  bool begins;  // sums start at zero and not with what is there
  float* sums;  // [rows, sum_pitch]
  float* to;    // [rows, to_pitch], where they go, with the inputs of this slab
  Index to_pitch = sum_pitch;

  VLM_INLINE void next_rows(Index rows) {
    a += rows * slab_inputs;
    sums += rows * sum_pitch;
    to += rows * to_pitch;
  }
  VLM_INLINE void next_panels(Index count) {
    panel += count * panel_pitch;
    sums += count * panel_outputs;
    to += count * panel_outputs;
    panels -= count;
  }
};

// With vectors of floats: a multiply-add for each input, of numbers widened in the registers for few rows, in memory for
// many.
struct Bf16TileKernel {
  static constexpr Index few_rows = 3, group_rows = 2 * tile_rows;
  static constexpr Index piece_inputs = 128;  // of a slab

  template <int W>
  VLM_INLINE static void run(const Bf16Tile* tile, Index rows) {
    Bf16Tile t = *tile;
    if (rows > few_rows) return many_rows<W>(t, rows);
    for (; rows > 0; --rows, t.next_rows(1)) {
      Index output = 0;
      for (; output + 4 * W <= t.panels * panel_outputs; output += 4 * W) one_row<W, 4>(t, output);
      for (; output < t.panels * panel_outputs; output += W) one_row<W, 1>(t, output);
    }
  }

 private:
  // The numbers of pairs: even inputs and odd ones.
  template <int W>
  VLM_INLINE static void widen(Floats<W>& first, Floats<W>& second, const void* pairs) {
    Unsigned<W> words;
    std::memcpy(&words, pairs, sizeof words);
    first = (Floats<W>)(words << 16);
    second = (Floats<W>)(words & 0xffff0000u);
  }

  template <int W, int Vectors>
  VLM_INLINE static void one_row(const Bf16Tile& t, Index output) {
    const std::byte* values[Vectors];
    Floats<W> sum[Vectors];
    VLM_UNROLL for (int v = 0; v < Vectors; ++v) {
      const Index at = output + v * W;
      values[v] = t.panel + at / panel_outputs * t.panel_pitch + 4 * (at % panel_outputs);
      sum[v] = Floats<W>{};
      if (!t.begins) load<W>(sum[v], t.sums + at);
    }
    const bf16* a = t.a;
    for (Index pair = 0; pair < t.pairs; ++pair, a += 2) {
      Floats<W> left, right;
      fill<W>(left, static_cast<float>(a[0]));
      fill<W>(right, static_cast<float>(a[1]));
      VLM_UNROLL for (int v = 0; v < Vectors; ++v) {
        Floats<W> first, second;
        widen<W>(first, second, values[v]);
        values[v] += 4 * panel_outputs;
        multiply_add<W>(sum[v], left, first);
        multiply_add<W>(sum[v], right, second);
      }
    }
    VLM_UNROLL for (int v = 0; v < Vectors; ++v) store<W>(t.to + output + v * W, sum[v]);
  }

  template <int W>
  VLM_INLINE static void many_rows(const Bf16Tile& t, Index rows) {
    alignas(64) float a[group_rows * piece_inputs], b[piece_inputs * Bf16Tile::sum_pitch];
    const Index columns = t.panels * panel_outputs;
    for (Index first = 0; first < 2 * t.pairs; first += piece_inputs) {
      const Index inputs = std::min(piece_inputs, 2 * t.pairs - first);
      widen_panels<W>(t, first, inputs, b);
      for (Index row = 0; row < rows; row += group_rows) {
        const Index count = std::min(group_rows, rows - row);
        for (Index i = 0; i < count; ++i)
          widen_row<W>(t.a + (row + i) * slab_inputs + first, inputs, a + i * piece_inputs);
        // Sums of all pieces but the last stay where they are.
        const bool ends = first + inputs == 2 * t.pairs;
        float* sums = t.sums + row * Bf16Tile::sum_pitch;
        const TileOperands product{.a = a,
                                   .a_row = piece_inputs,
                                   .a_k = 1,
                                   .b = b,
                                   .b_pitch = Bf16Tile::sum_pitch,
                                   .from = t.begins && first == 0 ? nullptr : sums,
                                   .from_pitch = Bf16Tile::sum_pitch,
                                   .c = ends ? t.to + row * t.to_pitch : sums,
                                   .c_pitch = ends ? t.to_pitch : Bf16Tile::sum_pitch,
                                   .k = inputs};
        multiply_tile<W>(product, count, columns);
      }
    }
  }
  // Inputs of all panels to b, [inputs, sum_pitch].
  template <int W>
  VLM_INLINE static void widen_panels(const Bf16Tile& t, Index first_input, Index inputs, float* b) {
    for (Index panel = 0; panel < t.panels; ++panel) {
      const std::byte* values = t.panel + panel * t.panel_pitch + 2 * panel_outputs * first_input;
      float* to = b + panel * panel_outputs;
      for (Index i = 0; i < inputs; i += 2, to += 2 * Bf16Tile::sum_pitch)
        for (int lane = 0; lane < panel_outputs; lane += W, values += 4 * W) {
          Floats<W> first, second;
          widen<W>(first, second, values);
          store<W>(to + lane, first);
          store<W>(to + Bf16Tile::sum_pitch + lane, second);
        }
    }
  }
  template <int W>
  VLM_INLINE static void widen_row(const bf16* from, Index inputs, float* to) {
    for (Index i = 0; i < inputs; i += W) {
      Integers<W> bits;
      widen_halves<W>(bits, reinterpret_cast<const std::byte*>(from + i));
      store<W>(to + i, (Floats<W>)(bits << 16));
    }
  }
};

}  // namespace vlm::cpu
