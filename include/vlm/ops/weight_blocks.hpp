// Weight matrices in blocks, as products read them. The inputs of an output row are cut into blocks of 32, in the
// formats of few bits each with a scale of its own; 16 output rows make a panel, whose values lie in groups of four
// inputs, or in pairs of inputs:
//   values of a group   [16 outputs, 4 inputs], one byte each, or two groups in the halves of the same bytes
//   values of a pair    [16 outputs, 2 inputs], bf16
//   I8Blocks   w = s (q - 128),      q in 0..255; s bf16.                                   8.5 bits each
//   I4Blocks   w = d s q - m t,      q in 0..15; s, t in 0..63 by block; d, m f32 by row.   4.375 bits each
//   Bf16Blocks w in bf16; products round the rows to bf16, too.                             16 bits each
//   Bf16CodeBlocks  the same numbers, with a code of 3 bits for the exponent of most.       some 12 bits each, of which a
//                   product reads 11.3
// A panel is one run of bytes, rounded up to cache lines; rows and inputs that the matrix lacks are zeros:
//   I8Blocks   values [blocks, 8 groups, 16, 4] | s [blocks, 16]
//   I4Blocks   values [blocks, 4 pairs of groups, 16, 4], the first of a pair low | s + 64 (t % 4) [blocks, 16]
//              | t / 4 [fours of blocks, 2, 16], the first two of four low | d [16] | m [16]
//   Bf16Blocks values [blocks, 16 pairs, 16, 2]
//   Bf16CodeBlocks heads [slabs] | slabs of 256 inputs | more rare exponents, u8
//     head     8 exponents, the first of which nobody reads | where in the panel their rare exponents begin and end, u32 both
//     slab     room for 16 rare exponents a block | of each block, 8 units
//     unit     codes of 3 bits [64], the first of eight lowest in three bytes | signs and fractions [64]
// A unit is two pairs; the bytes of 8 numbers of one and of the other's same 8 lie side by side. An exponent is a byte rotated
// by a bit, its lowest bit highest. Code 0 takes the next of the slab's rare exponents. Where a slab has more of them than its
// room, all are behind the slabs, where a panel has room for 32 a block; a tensor with more stays in Bf16Blocks. Of normally
// distributed numbers a block has 10 to 13.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <vlm/core/dtype.hpp>
#include <vlm/core/queue.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

inline constexpr Index block_inputs = 32, panel_outputs = 16;
inline constexpr Index slab_inputs = 256;  // of bf16: four panels of a slab stay in the first cache
inline constexpr Index code_head_bytes = 16, code_block_bytes = 8 * (24 + 64);
inline constexpr Index near_rare = 16, far_rare = 32;  // exponents of a block, within a slab and behind all
inline constexpr Index code_block_numbers = block_inputs * panel_outputs;

inline constexpr DType block_formats[] = {DType::I8Blocks, DType::I4Blocks, DType::Bf16Blocks,
                                          DType::Bf16CodeBlocks};

// Blocks that hold any number of bf16.
constexpr bool is_bf16_blocks(DType format) {
  return format == DType::Bf16Blocks || format == DType::Bf16CodeBlocks;
}
constexpr bool is_blocks(DType format) {
  return format == DType::I8Blocks || format == DType::I4Blocks || is_bf16_blocks(format);
}

constexpr Index blocks_of(Index inputs) { return (inputs + block_inputs - 1) / block_inputs; }
constexpr Index slabs_of(Index inputs) { return (inputs + slab_inputs - 1) / slab_inputs; }
constexpr Index panels_of(Index outputs) { return (outputs + panel_outputs - 1) / panel_outputs; }

// Where the parts of a panel of codes begin.
template <class Byte>
class CodePanel {
 public:
  static constexpr Index bytes(Index inputs) {
    return heads_bytes(inputs) + (near_rare + code_block_bytes + far_rare) * blocks_of(inputs) +
           taken_at_once;
  }
  CodePanel(Byte* panel, Index inputs)
      : blocks_(blocks_of(inputs)), panel_(panel), slabs_(panel + heads_bytes(inputs)) {}

  Index slabs() const { return (blocks_ + slab_blocks - 1) / slab_blocks; }
  Index blocks(Index slab) const { return std::min(slab_blocks, blocks_ - slab * slab_blocks); }
  Byte* exponents(Index slab) const { return panel_ + slab * code_head_bytes; }
  Byte* rare_places(Index slab) const { return exponents(slab) + 8; }
  Byte* near(Index slab) const { return slabs_ + slab * slab_blocks * (near_rare + code_block_bytes); }
  Byte* units(Index slab) const { return near(slab) + near_rare * blocks(slab); }
  Byte* far() const { return slabs_ + blocks_ * (near_rare + code_block_bytes); }
  // A slab's rare exponents: within the panel whatever the bytes, for a reader that goes back to `last_rare` after each
  // block and takes 64 at a time.
  Byte* rare(Index slab) const { return panel_ + rare_place(slab, 0); }
  Byte* last_rare() const { return panel_ + last_place(); }
  // Behind the rare exponents of all slabs.
  Index spare_bytes() const {
    Index end = far() - panel_;
    for (Index slab = 0; slab < slabs(); ++slab) end = std::max(end, rare_place(slab, 1));
    return last_place() + taken_at_once - end;
  }

 private:
  static constexpr Index slab_blocks = slab_inputs / block_inputs, taken_at_once = code_block_numbers;

  static constexpr Index heads_bytes(Index inputs) {
    return (code_head_bytes * slabs_of(inputs) + 63) / 64 * 64;
  }
  Index last_place() const { return far() - panel_ + far_rare * blocks_; }
  Index rare_place(Index slab, Index which) const {
    std::uint32_t place;
    std::memcpy(&place, rare_places(slab) + which * static_cast<Index>(sizeof place), sizeof place);
    return std::min<Index>(place, last_place());
  }

  Index blocks_;
  Byte *panel_, *slabs_;
};

// Bytes of one block's values in a panel of bytes or nibbles.
constexpr Index value_bytes(DType format) { return format == DType::I8Blocks ? 512 : 256; }
constexpr Index panel_bytes(DType format, Index inputs) {
  const Index blocks = blocks_of(inputs);
  if (format == DType::Bf16Blocks) return 1024 * blocks;
  const Index bytes = format == DType::Bf16CodeBlocks ? CodePanel<std::byte>::bytes(inputs)
                      : format == DType::I8Blocks     ? 544 * blocks
                                                      : 272 * blocks + 32 * ((blocks + 3) / 4) + 128;
  return (bytes + 63) / 64 * 64;
}

// Bytes of a matrix [outputs, inputs] in any format.
constexpr std::size_t matrix_bytes(DType format, Index outputs, Index inputs) {
  return is_blocks(format) ? static_cast<std::size_t>(panels_of(outputs) * panel_bytes(format, inputs))
                           : static_cast<std::size_t>(outputs * inputs) * size_of(format);
}

// Where the parts of a panel begin.
template <class Byte>
struct I8Panel {
  Byte *values, *scales;  // u8, bf16
  I8Panel(Byte* panel, Index inputs) : values(panel), scales(panel + 512 * blocks_of(inputs)) {}
};
template <class Byte>
struct I4Panel {
  Byte *values, *scales, *minima, *row_scales, *row_minima;  // u4, u6 and u2, u4, f32, f32
  I4Panel(Byte* panel, Index inputs)
      : values(panel),
        scales(panel + 256 * blocks_of(inputs)),
        minima(panel + 272 * blocks_of(inputs)),
        row_scales(minima + 32 * ((blocks_of(inputs) + 3) / 4)),
        row_minima(row_scales + 64) {}
  // Where the upper bits of a block's minima are, and the place of the lowest of them in a byte.
  static constexpr Index minima_place(Index block) { return (block / 4 * 2 + block % 2) * panel_outputs; }
  static constexpr int minima_shift(Index block) { return block % 4 < 2 ? 0 : 4; }
};
// Rows of a weight, [outputs, inputs], as blocks at `panels`, which are zeros; the first row is the first of a panel.
// Values must be finite; bf16 blocks keep any value to the nearest of bf16. Returns whether the format holds them all,
// which only Bf16CodeBlocks may not; the panels are of no use then.
template <class T>
[[nodiscard]] bool make_blocks(Queue<Cpu>& queue, View<const T, 2, Cpu> weight, DType format,
                               std::byte* panels);

}  // namespace vlm
