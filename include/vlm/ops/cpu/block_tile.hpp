// Tiles of products with weight blocks:  C[row, output] = sum over blocks, in order, of
//   I8Blocks   (s s') sum (q - 128) a
//   I4Blocks   (d s s') sum q a  -  (m t) (s' sum a)
// with the scales s' and bytes a of block_rows.hpp. The inner sums are integers and exact in whatever order, so that an
// element is one chain over the blocks on every road.
#pragma once

#include <vlm/ops/cpu/block_rows.hpp>
#include <vlm/ops/cpu/tile.hpp>

namespace vlm::cpu {

// Blocks [first, last) of one or two panels and of some rows, added to the sums in C.
struct BlockTile {
  const std::byte* panel;
  Index panel_pitch;
  Index inputs;
  const std::int8_t* a;        // the first row's
  const float *scales, *sums;  // the first row's
  const std::int32_t* starts;
  Index blocks;  // of a row
  Index first, last;
  float* c;
  Index c_pitch;
  Index columns;  // of C, at most those of the panels

  VLM_INLINE void next_rows(Index rows) {
    a += rows * blocks * block_inputs;
    scales += rows * blocks;
    sums += rows * blocks;
    starts += rows * blocks;
    c += rows * c_pitch;
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
  const std::byte *scales, *minima;
  Floats<W> row_scale, row_minimum;
  VLM_INLINE BlockScales(const std::byte* panel, Index inputs, int lane) {
    const I4Panel<const std::byte> parts(panel, inputs);
    scales = parts.scales + lane;
    minima = parts.minima + lane;
    std::memcpy(&row_scale, parts.row_scales + 4 * lane, sizeof row_scale);
    std::memcpy(&row_minimum, parts.row_minima + 4 * lane, sizeof row_minimum);
  }
  // `minimum` is negative.
  VLM_INLINE void at(Index block, Floats<W>& scale, Floats<W>& minimum) const {
    widen(scale, scales + block * panel_outputs);
    widen(minimum, minima + block * panel_outputs);
    scale *= row_scale;
    minimum *= -row_minimum;
  }
  VLM_INLINE static void widen(Floats<W>& numbers, const std::byte* from) {
    Integers<W> integers;
    widen_bytes<W>(integers, from);
    numbers = __builtin_convertvector(integers, Floats<W>);
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
    for (; rows >= 4; rows -= 4, t.next_rows(4)) panels<W, Format, 4>(t);
    for (; rows >= 1; rows -= 1, t.next_rows(1)) panels<W, Format, 1>(t);
  }
  template <int W, DType Format, int Rows>
  VLM_INLINE static void panels(const BlockTile& t) {
    for (Index column = 0; column < t.columns; column += W) {
      const Index panel = column / panel_outputs;
      lanes<W, Format, Rows>(t, t.panel + panel * t.panel_pitch, static_cast<int>(column % panel_outputs),
                             column);
    }
  }
  template <int W, DType Format, int Rows>
  VLM_INLINE static void lanes(const BlockTile& t, const std::byte* panel, int lane, Index column) {
    const Index count = std::min<Index>(W, t.columns - column);
    const BlockScales<Format, W> of_panel(panel, t.inputs, lane);
    Floats<W> sum[Rows];
    for (int i = 0; i < Rows; ++i) load_some<W>(sum[i], t.c + i * t.c_pitch + column, count);
    for (Index block = t.first; block < t.last; ++block) {
      Floats<W> inner[Rows], scale, minimum;
      for (int i = 0; i < Rows; ++i) {
        inner[i] = Floats<W>{};
        if (Format == DType::I8Blocks) inner[i] += static_cast<float>(t.starts[i * t.blocks + block]);
      }
      const std::byte* values = panel + block * value_bytes(Format) + 4 * lane;
      for (int group = 0; group < 8; ++group) {
        Integers<W> word;
        std::memcpy(&word, values + 64 * (Format == DType::I8Blocks ? group : group / 2), sizeof word);
        if (Format == DType::I4Blocks) word = (group % 2 == 0 ? word : word >> 4) & 0x0f0f0f0f;
        const std::int8_t* a = t.a + block * block_inputs + 4 * group;
        for (int k = 0; k < 4; ++k) {
          const Floats<W> right = __builtin_convertvector(word >> 8 * k & 255, Floats<W>);
          for (int i = 0; i < Rows; ++i) {
            Floats<W> left;
            fill<W>(left, static_cast<float>(a[i * t.blocks * block_inputs + k]));
            multiply_add<W>(inner[i], left, right);
          }
        }
      }
      of_panel.at(block, scale, minimum);
      for (int i = 0; i < Rows; ++i) add_block<W, Format>(t, i, block, inner[i], scale, minimum, sum[i]);
    }
    for (int i = 0; i < Rows; ++i) store_some<W>(t.c + i * t.c_pitch + column, sum[i], count);
  }

 public:
  template <int W, DType Format>
  VLM_INLINE static void add_block(const BlockTile& t, int row, Index block, const Floats<W>& inner,
                                   const Floats<W>& scale, const Floats<W>& minimum, Floats<W>& sum) {
    Floats<W> factor;
    broadcast<W>(factor, t.scales + row * t.blocks + block);
    const Floats<W> scales = scale * factor;
    multiply_add<W>(sum, inner, scales);
    if constexpr (Format == DType::I4Blocks) {
      broadcast<W>(factor, t.sums + row * t.blocks + block);
      multiply_add<W>(sum, minimum, factor);
    }
  }
};

}  // namespace vlm::cpu
