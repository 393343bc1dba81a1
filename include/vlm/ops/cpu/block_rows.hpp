// Rows of activations as products with weight blocks read them: each block of 32 inputs as signed bytes with a scale,
//   x = s a,   s = max |x| / 127,   a in -127..127.
// A row's bytes depend on that row alone.
#pragma once

#include <algorithm>
#include <cstring>

#include <vlm/core/view.hpp>
#include <vlm/ops/cpu/lanes.hpp>
#include <vlm/ops/weight_blocks.hpp>

namespace vlm::cpu {

// Quantised rows in memory of the caller.
struct BlockRows {
  std::int8_t* values = nullptr;   // [rows, inputs rounded up to blocks], zeros at the end
  float* scales = nullptr;         // [rows, blocks]
  float* sums = nullptr;           // [rows, blocks], s times the sum of a
  std::int32_t* starts = nullptr;  // [rows, blocks], -128 times the sum of a
  Index blocks = 0;

  static std::size_t bytes(Index rows, Index inputs) {
    const Index each = blocks_of(inputs) * (block_inputs + 3 * static_cast<Index>(sizeof(float)));
    return (static_cast<std::size_t>(rows * each) + 63) / 64 * 64;
  }
  BlockRows(std::byte* memory, Index rows, Index inputs) : blocks(blocks_of(inputs)) {
    values = reinterpret_cast<std::int8_t*>(memory);
    scales = reinterpret_cast<float*>(memory + rows * blocks * block_inputs);
    sums = scales + rows * blocks;
    starts = reinterpret_cast<std::int32_t*>(sums + rows * blocks);
  }
  Index pitch() const { return blocks * block_inputs; }
};

struct BlockRowsKernel {
  template <int W>
  VLM_INLINE static void run(const float* x, Index pitch, Index inputs, BlockRows rows, Index first,
                             Index count) {
    for (Index row = first; row < first + count; ++row)
      for (Index block = 0; block < rows.blocks; ++block)
        quantize<W>(x + row * pitch + block * block_inputs,
                    std::min(block_inputs, inputs - block * block_inputs), rows, row, block);
  }

 private:
  template <int W>
  VLM_INLINE static void quantize(const float* x, Index count, const BlockRows& rows, Index row,
                                  Index block) {
    constexpr int vectors = block_inputs / W;
    float padded[block_inputs];
    if (count < block_inputs) {
      std::fill_n(padded, block_inputs, 0.0f);
      std::copy_n(x, count, padded);
      x = padded;
    }
    Floats<W> lanes[vectors], most = {}, nothing = {}, magic, factor;
    VLM_UNROLL for (int v = 0; v < vectors; ++v) {
      load<W>(lanes[v], x + v * W);
      const Floats<W> size = lanes[v] < 0.0f ? -lanes[v] : lanes[v];
      most = most < size ? size : most;
      nothing += lanes[v] * 0.0f;  // NaN where a value is not finite
    }
    const float largest = max_of<W>(most), scale = largest / 127.0f + sum_of<W>(nothing);
    const bool usable = largest > 1e-30f && largest < 1e30f;
    fill<W>(factor, usable ? 127.0f / largest : 0.0f);
    fill<W>(magic, 12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer, in the lowest bits
    Integers<W> sum = {};
    std::int8_t* to = rows.values + row * rows.pitch() + block * block_inputs;
    VLM_UNROLL for (int v = 0; v < vectors; ++v) {
      const Integers<W> rounded = ((Integers<W>)(lanes[v] * factor + magic) << 24) >> 24;
      sum += rounded;
      typedef std::int8_t Bytes __attribute__((vector_size(W)));
      const Bytes bytes = __builtin_convertvector(rounded, Bytes);
      std::memcpy(to + v * W, &bytes, sizeof bytes);
    }
    std::int32_t total = 0;
    for (int lane = 0; lane < W; ++lane) total += sum[lane];
    const Index at = row * rows.blocks + block;
    rows.scales[at] = usable || !(scale < 1e30f) ? scale : 0.0f;
    rows.sums[at] = rows.scales[at] * static_cast<float>(total);
    rows.starts[at] = -128 * total;
  }
};

}  // namespace vlm::cpu
