// Tiles of products with weight blocks:  C[row, output] = sum over blocks, in order, of
//   I8Blocks   (s s') sum (q - 128) a
//   I4Blocks   (d s s') sum q a  -  (m t) (s' sum a)
// with the scales s' and bytes a of block_rows.hpp. The inner sums are integers and exact in whatever order, so that an
// element is one chain over the blocks on every road.
#pragma once

#include <vlm/ops/cpu/block_rows.hpp>
#include <vlm/ops/cpu/tile.hpp>

namespace vlm::cpu {

// Up to two panels and some rows, or up to four and one row.
struct BlockTile {
  static constexpr Index most_panels(Index rows) { return rows == 1 ? 4 : 2; }

  const std::byte* panel;
  Index panel_pitch;
  Index inputs;
  const std::byte* group;  // the first row's
  float* c;
  Index c_pitch;
  Index columns;          // of C, at most those of the panels
  const std::byte* next;  // what is read after these panels
  Index next_lines;       // of it, fetched by each group for each block

  VLM_INLINE void next_rows(Index rows) {
    group += rows * blocks_of(inputs) * BlockRows::block_bytes;
    c += rows * c_pitch;
    next += 64 * next_lines * blocks_of(inputs);
  }
  VLM_INLINE void next_panels(Index count) {
    panel += count * panel_pitch;
    c += count * panel_outputs;
    columns -= count * panel_outputs;
  }
};

// Unsigned numbers as integers of 32 bits. Written out as instructions for g++, which otherwise moves one at a time.
template <int W>
VLM_INLINE void widen_bytes(Integers<W>& lanes, const std::byte* from) {
  typedef std::uint8_t Bytes __attribute__((vector_size(W)));
#if defined(__x86_64__) && !defined(__clang__)
  if constexpr (W >= 8)
    asm("vpmovzxbd %1, %0" : "=v"(lanes) : "m"(*reinterpret_cast<const std::byte(*)[W]>(from)));
  else
#endif
  {
    Bytes bytes;
    std::memcpy(&bytes, from, sizeof bytes);
    lanes = __builtin_convertvector(bytes, Integers<W>);
  }
}
template <int W>
VLM_INLINE void widen_halves(Integers<W>& lanes, const std::byte* from) {
  typedef std::uint16_t Halves __attribute__((vector_size(2 * W)));
#if defined(__x86_64__) && !defined(__clang__)
  if constexpr (W >= 8)
    asm("vpmovzxwd %1, %0" : "=v"(lanes) : "m"(*reinterpret_cast<const std::byte(*)[2 * W]>(from)));
  else
#endif
  {
    Halves halves;
    std::memcpy(&halves, from, sizeof halves);
    lanes = __builtin_convertvector(halves, Integers<W>);
  }
}

// W outputs of a panel, from `lane` on: what a block's sums are multiplied by.
template <DType Format, int W>
struct BlockScales;

template <int W>
struct BlockScales<DType::I8Blocks, W> {
  const std::byte* scales;
  VLM_INLINE BlockScales(const std::byte* panel, Index inputs, int lane)
      : scales(I8Panel<const std::byte>(panel, inputs).scales + 2 * lane) {}
  VLM_INLINE void at(Index block, Floats<W>& scale, Floats<W>&) const {
    Integers<W> bits;
    widen_halves<W>(bits, scales + block * 2 * panel_outputs);
    scale = (Floats<W>)(bits << 16);
  }
};

template <int W>
struct BlockScales<DType::I4Blocks, W> {
  using Panel = I4Panel<const std::byte>;
  const std::byte *scales, *minima;
  Floats<W> row_scale, row_minimum;
  VLM_INLINE BlockScales(const std::byte* panel, Index inputs, int lane) {
    const Panel parts(panel, inputs);
    scales = parts.scales + lane;
    minima = parts.minima + lane;
    std::memcpy(&row_scale, parts.row_scales + 4 * lane, sizeof row_scale);
    std::memcpy(&row_minimum, parts.row_minima + 4 * lane, sizeof row_minimum);
    row_minimum *= -0.25f;  // 4 t takes fewer instructions than t
  }
  // `minimum` is negative.
  VLM_INLINE void at(Index block, Floats<W>& scale, Floats<W>& minimum) const {
    Integers<W> steps, rest;
    widen_bytes<W>(steps, scales + block * panel_outputs);
    widen_bytes<W>(rest, minima + Panel::minima_place(block));
    const Integers<W> low = steps & 63, high = (steps >> 4 & 12) | (rest >> Panel::minima_shift(block) & 15)
                                                                       << 4;
    scale = row_scale * __builtin_convertvector(low, Floats<W>);
    minimum = row_minimum * __builtin_convertvector(high, Floats<W>);
  }
};

// With vectors of floats, which hold the integer sums exactly: they stay below 2^24.
struct BlockTileKernel {
  template <int W>
  VLM_INLINE static void run(const BlockTile* tile, Index rows, DType format) {
    BlockTile t = *tile;
    if (format == DType::I8Blocks)
      run_as<W, DType::I8Blocks>(t, rows);
    else
      run_as<W, DType::I4Blocks>(t, rows);
  }

 private:
  template <int W, DType Format>
  VLM_INLINE static void run_as(BlockTile& t, Index rows) {
    for (; rows > 0; rows -= together_rows, t.next_rows(together_rows)) {
      const Index group = std::min(rows, together_rows);
      Index row = 0;
      for (; row + 3 <= group; row += 3) panels<W, Format, 3>(t, group, row);
      for (; row < group; ++row) panels<W, Format, 1>(t, group, row);
    }
  }
  // Rows of a group, from `row` on.
  template <int W, DType Format, int Rows>
  VLM_INLINE static void panels(const BlockTile& t, Index group, Index row) {
    for (Index column = 0; column < t.columns; column += W) {
      const Index panel = column / panel_outputs;
      lanes<W, Format, Rows>(t, group, row, t.panel + panel * t.panel_pitch,
                             static_cast<int>(column % panel_outputs), column);
    }
  }
  template <int W, DType Format, int Rows>
  VLM_INLINE static void lanes(const BlockTile& t, Index group, Index row, const std::byte* panel, int lane,
                               Index column) {
    const Index count = std::min<Index>(W, t.columns - column), blocks = blocks_of(t.inputs);
    const BlockScales<Format, W> of_panel(panel, t.inputs, lane);
    Floats<W> sum[Rows] = {};
    for (Index block = 0; block < blocks; ++block) {
      const GroupBlock<const std::byte> a(t.group + block * group * BlockRows::block_bytes, group);
      Floats<W> inner[Rows], scale, minimum;
      for (int i = 0; i < Rows; ++i) {
        std::int32_t start;
        std::memcpy(&start, a.starts + 4 * (row + i), sizeof start);
        fill<W>(inner[i], Format == DType::I8Blocks ? static_cast<float>(start) : 0.0f);
      }
      const std::byte* values = panel + block * value_bytes(Format) + 4 * lane;
      for (int four = 0; four < 8; ++four) {  // inputs
        Integers<W> word;
        std::memcpy(&word, values + 64 * (Format == DType::I8Blocks ? four : four / 2), sizeof word);
        if (Format == DType::I4Blocks) word = (four % 2 == 0 ? word : word >> 4) & 0x0f0f0f0f;
        for (int k = 0; k < 4; ++k) {
          const Floats<W> right = __builtin_convertvector(word >> 8 * k & 255, Floats<W>);
          for (int i = 0; i < Rows; ++i) {
            Floats<W> left;
            fill<W>(left,
                    static_cast<float>(static_cast<std::int8_t>(a.values[4 * (four * group + row + i) + k])));
            multiply_add<W>(inner[i], left, right);
          }
        }
      }
      of_panel.at(block, scale, minimum);
      for (int i = 0; i < Rows; ++i) add_block<W, Format>(a, row + i, inner[i], scale, minimum, sum[i]);
    }
    for (int i = 0; i < Rows; ++i) store_some<W>(t.c + (row + i) * t.c_pitch + column, sum[i], count);
  }

 public:
  template <int W, DType Format>
  VLM_INLINE static void add_block(const GroupBlock<const std::byte>& a, Index row, const Floats<W>& inner,
                                   const Floats<W>& scale, const Floats<W>& minimum, Floats<W>& sum) {
    Floats<W> factor;
    broadcast<W>(factor, reinterpret_cast<const float*>(a.scales) + row);
    const Floats<W> scales = scale * factor;
    multiply_add<W>(sum, inner, scales);
    if constexpr (Format == DType::I4Blocks) {
      broadcast<W>(factor, reinterpret_cast<const float*>(a.sums) + row);
      multiply_add<W>(sum, minimum, factor);
    }
  }
};

}  // namespace vlm::cpu
