// Weight matrices in blocks, as products read them. The inputs of an output row are cut into blocks of 32, in the
// formats of few bits each with a scale of its own; 16 output rows make a panel, whose values lie in groups of four
// inputs, or in pairs of inputs:
//   values of a group   [16 outputs, 4 inputs], one byte each, or two groups in the halves of the same bytes
//   values of a pair    [16 outputs, 2 inputs], bf16
//   I8Blocks   w = s (q - 128),      q in 0..255; s bf16.                                   8.5 bits each
//   I4Blocks   w = d s q - m t,      q in 0..15; s, t in 0..255 by block; d, m f32 by row.  4.5 bits each
//   Bf16Blocks w in bf16; products round the rows to bf16, too.                             16 bits each
// A panel is one run of bytes, rounded up to cache lines; rows and inputs that the matrix lacks are zeros:
//   I8Blocks   values [blocks, 8 groups, 16, 4] | s [blocks, 16]
//   I4Blocks   values [blocks, 4 pairs of groups, 16, 4], the first of a pair low | s [blocks, 16] | t [blocks, 16]
//              | d [16] | m [16]
//   Bf16Blocks values [blocks, 16 pairs, 16, 2]
#pragma once

#include <cstddef>
#include <cstdint>

#include <vlm/core/dtype.hpp>
#include <vlm/core/queue.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

inline constexpr Index block_inputs = 32, panel_outputs = 16;

inline constexpr DType block_formats[] = {DType::I8Blocks, DType::I4Blocks, DType::Bf16Blocks};

constexpr bool is_blocks(DType format) {
  return format == DType::I8Blocks || format == DType::I4Blocks || format == DType::Bf16Blocks;
}

constexpr Index blocks_of(Index inputs) { return (inputs + block_inputs - 1) / block_inputs; }
constexpr Index panels_of(Index outputs) { return (outputs + panel_outputs - 1) / panel_outputs; }

// Bytes of one block's values in a panel.
constexpr Index value_bytes(DType format) {
  return format == DType::Bf16Blocks ? 1024 : format == DType::I8Blocks ? 512 : 256;
}
constexpr Index panel_bytes(DType format, Index inputs) {
  const Index blocks = blocks_of(inputs);
  if (format == DType::Bf16Blocks) return 1024 * blocks;
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
// Values must be finite; Bf16Blocks keep any value to the nearest of bf16.
template <class T>
void make_blocks(Queue<Cpu>& queue, View<const T, 2, Cpu> weight, DType format, std::byte* panels);

}  // namespace vlm
