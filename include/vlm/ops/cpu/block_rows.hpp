// Rows of activations as products with weight blocks read them: each block of 32 inputs as signed bytes with a scale,
//   x = s a,   s = max |x| / 127,   a in -127..127.
// A row's numbers depend on that row alone. Rows lie in groups, which a tile reads from front to back:
//   of each block   starts [rows] | s [rows] | sums [rows] | a [8, rows, 4]
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include <vlm/core/view.hpp>
#include <vlm/ops/cpu/tile.hpp>
#include <vlm/ops/weight_blocks.hpp>

namespace vlm::cpu {

inline constexpr Index together_rows = 6;  // of a group; the last one has what is left

// A block of a group.
template <class Byte>
struct GroupBlock {
  Byte* starts;  // i32, -128 times the sum of a
  Byte* scales;  // f32
  Byte* sums;    // f32, s times the sum of a
  Byte* values;  // i8
  VLM_INLINE GroupBlock(Byte* block, Index rows)
      : starts(block), scales(block + 4 * rows), sums(block + 8 * rows), values(block + 12 * rows) {}
};

// Quantised rows in memory of the caller. Groups begin anywhere: a group takes as many bytes as its rows would alone.
struct BlockRows {
  std::byte* data = nullptr;
  Index blocks = 0;

  static constexpr Index block_bytes = block_inputs + 12;
  static std::size_t bytes(Index rows, Index inputs) {
    return (static_cast<std::size_t>(rows * blocks_of(inputs) * block_bytes) + 63) / 64 * 64;
  }
  BlockRows(std::byte* memory, Index inputs) : data(memory), blocks(blocks_of(inputs)) {}
  std::byte* group(Index first_row) const { return data + first_row * blocks * block_bytes; }
};

// Rows of x to groups from `to` on.
struct BlockRowsKernel {
  template <int W>
  VLM_INLINE static void run(const float* x, Index pitch, Index inputs, Index rows, std::byte* to) {
    for (; rows > 0; rows -= together_rows, x += together_rows * pitch) {
      const Index group = std::min(rows, together_rows);
      for (Index input = 0; input < inputs; input += block_inputs, to += group * BlockRows::block_bytes)
        for (Index row = 0; row < group; ++row)
          quantize<W>(x + row * pitch + input, std::min(block_inputs, inputs - input), {to, group}, group,
                      row);
    }
  }

 private:
  // The largest of all lanes, or their sum.
  template <int W, bool Largest>
  VLM_INLINE static std::int32_t folded(const Integers<W>& lanes) {
    if constexpr (W > 4) {
      Integers<W / 2> lower, upper;
      halve<W>(lower, upper, lanes, std::make_integer_sequence<int, W / 2>());
      combine<W / 2, Largest>(lower, upper);
      return folded<W / 2, Largest>(lower);
    } else {
      Integers<4> all = lanes;
      combine<4, Largest>(all, __builtin_shufflevector(all, all, 2, 3, 0, 1));
      combine<4, Largest>(all, __builtin_shufflevector(all, all, 1, 0, 3, 2));
      return all[0];
    }
  }
  template <int W, int... Lanes>
  VLM_INLINE static void halve(Integers<W / 2>& lower, Integers<W / 2>& upper, const Integers<W>& lanes,
                               std::integer_sequence<int, Lanes...>) {
    lower = __builtin_shufflevector(lanes, lanes, Lanes...);
    upper = __builtin_shufflevector(lanes, lanes, (W / 2 + Lanes)...);
  }
  template <int W, bool Largest>
  VLM_INLINE static void combine(Integers<W>& lanes, const Integers<W>& others) {
    if constexpr (Largest)
      lanes = lanes < others ? others : lanes;
    else
      lanes += others;
  }
  template <int W>
  VLM_INLINE static void quantize(const float* x, Index count, const GroupBlock<std::byte>& to, Index rows,
                                  Index row) {
    constexpr int vectors = block_inputs / W;
    float padded[block_inputs];
    if (count < block_inputs) {
      std::fill_n(padded, block_inputs, 0.0f);
      std::copy_n(x, count, padded);
      x = padded;
    }
    Floats<W> lanes[vectors], magic, factor;
    Integers<W> most = {};  // bits of sizes, ordered as they are; those of NaN are above all others
    VLM_UNROLL for (int v = 0; v < vectors; ++v) {
      load<W>(lanes[v], x + v * W);
      const Integers<W> size = (Integers<W>)lanes[v] & 0x7fffffff;
      most = most < size ? size : most;
    }
    const std::int32_t most_bits = folded<W, true>(most);
    float largest;
    std::memcpy(&largest, &most_bits, sizeof largest);
    const bool finite = std::isfinite(largest), usable = finite && largest > 1e-30f;
    const float over = usable ? 127.0f / largest : 0.0f;
    broadcast<W>(factor, &over);
    fill<W>(magic, 12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer, in the lowest bits
    Integers<W> sum = {};
    VLM_UNROLL for (int v = 0; v < vectors; ++v) {
      const Integers<W> rounded = ((Integers<W>)(lanes[v] * factor + magic) << 24) >> 24;
      sum += rounded;
      typedef std::int8_t Bytes __attribute__((vector_size(W)));
      const Bytes bytes = __builtin_convertvector(rounded, Bytes);
      std::int32_t words[W / 4];
      std::memcpy(words, &bytes, sizeof bytes);
      VLM_UNROLL for (int word = 0; word < W / 4; ++word)
          std::memcpy(to.values + 4 * ((v * W / 4 + word) * rows + row), &words[word], 4);
    }
    std::int32_t total = folded<W, false>(sum);
    const float block_scale = usable   ? largest / 127.0f
                              : finite ? 0.0f
                                       : std::numeric_limits<float>::quiet_NaN(),
                block_sum = block_scale * static_cast<float>(total);
    total *= -128;
    std::memcpy(to.starts + 4 * row, &total, sizeof total);
    std::memcpy(to.scales + 4 * row, &block_scale, sizeof block_scale);
    std::memcpy(to.sums + 4 * row, &block_sum, sizeof block_sum);
  }
};

}  // namespace vlm::cpu
