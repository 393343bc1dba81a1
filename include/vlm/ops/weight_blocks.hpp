// Weight matrices in blocks, as products read them. The inputs of an output row are cut into blocks of 32, in the
// formats of few bits each with a scale of its own; 16 output rows make a panel, whose values lie in groups of four
// inputs, or in pairs of inputs:
//   values of a group   [16 outputs, 4 inputs], one byte each, or two groups in the halves of the same bytes
//   values of a pair    [16 outputs, 2 inputs], bf16
//   I8Blocks   w = s (q - 128),      q in 0..255; s bf16.                                   8.5 bits each
//   I4Blocks   w = d s q - m t,      q in 0..15; s, t in 0..255 by block; d, m f32 by row.  4.5 bits each
//   Bf16Blocks w in bf16; products round the rows to bf16, too.                             16 bits each
//   Bf16CodeBlocks  the same numbers, with a code of 4 bits for the exponent of a number.   12.25 bits each
// A panel is one run of bytes, rounded up to cache lines; rows and inputs that the matrix lacks are zeros:
//   I8Blocks   values [blocks, 8 groups, 16, 4] | s [blocks, 16]
//   I4Blocks   values [blocks, 4 pairs of groups, 16, 4], the first of a pair low | s [blocks, 16] | t [blocks, 16]
//              | d [16] | m [16]
//   Bf16Blocks values [blocks, 16 pairs, 16, 2]
//   Bf16CodeBlocks for every slab of 256 inputs: 16 exponents | count of exceptions, u16 | a spare u16 | 27 exceptions
//              (place among the slab's pairs, bits; u16 both) | for every four pairs: codes [64], two in a byte |
//              signs and fractions [2, 64]. In codes and fractions the bytes of 8 numbers of a pair and of the next
//              pair's same 8 lie side by side; the first two pairs have the low codes.
// The first of a slab's 16 exponents is 0. Numbers whose exponent is none of them are its exceptions, and zeros among the
// codes; products add them last, so that an infinite activation may give NaN where one of them would give infinity. A tensor
// with more exceptions than a slab can hold stays in Bf16Blocks; of normally distributed numbers one in thousands is one.
#pragma once

#include <cstddef>
#include <cstdint>

#include <vlm/core/dtype.hpp>
#include <vlm/core/queue.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

inline constexpr Index block_inputs = 32, panel_outputs = 16;
inline constexpr Index slab_inputs = 256;  // of bf16: four panels of a slab stay in the first cache
inline constexpr Index code_slab_head = 128, code_block_bytes = 768;

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

// Bytes of one block's values in a panel of bytes or nibbles.
constexpr Index value_bytes(DType format) { return format == DType::I8Blocks ? 512 : 256; }
constexpr Index panel_bytes(DType format, Index inputs) {
  const Index blocks = blocks_of(inputs);
  if (format == DType::Bf16Blocks) return 1024 * blocks;
  if (format == DType::Bf16CodeBlocks) return code_slab_head * slabs_of(inputs) + code_block_bytes * blocks;
  const Index bytes = format == DType::I8Blocks ? 544 * blocks : 288 * blocks + 128;
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
  Byte *values, *scales, *minima, *row_scales, *row_minima;  // u4, u8, u8, f32, f32
  I4Panel(Byte* panel, Index inputs)
      : values(panel),
        scales(panel + 256 * blocks_of(inputs)),
        minima(panel + 272 * blocks_of(inputs)),
        row_scales(panel + 288 * blocks_of(inputs)),
        row_minima(panel + 288 * blocks_of(inputs) + 64) {}
};

// Rows of a weight, [outputs, inputs], as blocks at `panels`, which are zeros; the first row is the first of a panel.
// Values must be finite; bf16 blocks keep any value to the nearest of bf16. Returns whether the format holds them all,
// which only Bf16CodeBlocks may not; the panels are of no use then.
template <class T>
[[nodiscard]] bool make_blocks(Queue<Cpu>& queue, View<const T, 2, Cpu> weight, DType format,
                               std::byte* panels);

}  // namespace vlm
