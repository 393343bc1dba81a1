// Making weight blocks of numbers, and reading rows of them back.
//   I8Blocks   of the scales next to max |w| / 127 the one with the least squared error
//   I4Blocks   of some ranges within [min w, max w] and zero the one whose scale and minimum, fitted by least squares to
//              the rounded values, leave the least squared error; then the two that are whole steps of the
//              row's largest and near those, again with the least
//   Bf16Blocks and Bf16CodeBlocks   the nearest, ties to even
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include <vlm/ops/cpu/bf16_code_row.hpp>
#include <vlm/ops/cpu/lanes.hpp>
#include <vlm/ops/weight_blocks.hpp>

namespace vlm::cpu {

// Sixteen outputs' weights, [inputs rounded up to blocks, 16], to a panel of zeros. `fitted` has room for [2, blocks, 16].
struct BlockWeightsKernel {
  template <int W>
  VLM_INLINE static void run(const float* weights, Index inputs, DType format, float* fitted,
                             std::byte* panel) {
    const Index blocks = blocks_of(inputs);
    for (int lane = 0; lane < panel_outputs; lane += W) {
      if (format == DType::Bf16Blocks) {
        for (Index pair = 0; pair < blocks * (block_inputs / 2); ++pair)
          halves<W>(weights, pair, lane, panel);
      } else if (format == DType::I8Blocks) {
        const I8Panel<std::byte> to(panel, inputs);
        for (Index block = 0; block < blocks; ++block) bytes<W>(weights, block, lane, to);
      } else {
        nibbles<W>(weights, blocks, lane, fitted, fitted + blocks * panel_outputs,
                   I4Panel<std::byte>(panel, inputs));
      }
    }
  }

 private:
  static constexpr int most_steps = 63;

  template <int W>
  VLM_INLINE static void read(Floats<W> (&x)[block_inputs], const float* weights, Index block, int lane) {
    for (int k = 0; k < block_inputs; ++k)
      load<W>(x[k], weights + (block * block_inputs + k) * panel_outputs + lane);
  }
  // To the nearest integer of 0..most, ties to even: behind 1.5 * 2^23 floats are as far apart as integers, and their bits
  // are ordered as they are.
  template <int W>
  VLM_INLINE static void round_within(Floats<W>& x, int most) {
    Floats<W> magic;  // a vector: nvcc 13.0 crashes on the scalar
    fill<W>(magic, 12582912.0f);
    const Integers<W> low = (Integers<W>)magic, high = low + most;
    Integers<W> bits = (Integers<W>)(x + magic);
    bits = bits > low ? bits : low;
    bits = bits < high ? bits : high;
    x = (Floats<W>)bits - magic;
  }
  // to = 1 / x, or 0 where x is not above 0.
  template <int W>
  VLM_INLINE static void invert(Floats<W>& to, const Floats<W>& x) {
    to = x > 0.0f ? 1.0f / (x > 0.0f ? x : 1.0f - Floats<W>{}) : Floats<W>{};
  }
  template <int W>
  VLM_INLINE static void put(std::byte* to, const Floats<W>& numbers, Index stride) {
    for (int i = 0; i < W; ++i) to[i * stride] = static_cast<std::byte>(static_cast<int>(numbers[i]));
  }

  template <int W>
  VLM_INLINE static void halves(const float* weights, Index pair, int lane, std::byte* panel) {
    Floats<W> first, second;
    load<W>(first, weights + 2 * pair * panel_outputs + lane);
    load<W>(second, weights + (2 * pair + 1) * panel_outputs + lane);
    Unsigned<W> low, high;
    bf16_bits<W>(low, first);
    bf16_bits<W>(high, second);
    const Unsigned<W> words = low | high << 16;
    std::memcpy(panel + 4 * (pair * panel_outputs + lane), &words, sizeof words);
  }

  template <int W>
  VLM_INLINE static void bytes(const float* weights, Index block, int lane, const I8Panel<std::byte>& to) {
    Floats<W> x[block_inputs], most = {}, best = {}, least = {};
    read<W>(x, weights, block, lane);
    for (const Floats<W>& value : x) {
      const Floats<W> size = value < 0.0f ? -value : value;
      most = most < size ? size : most;
    }
    // Neighbours in bf16.
    const Integers<W> nearest = ((Integers<W>)(most * (1.0f / 127.0f)) + 0x8000) & ~0xffff;
    for (int candidate = 0; candidate < 4; ++candidate) {
      Integers<W> bits = nearest + (candidate - 2) * 0x10000;
      bits = bits < 0x10000 ? Integers<W>{} : bits;
      const Floats<W> scale = (Floats<W>)bits;
      Floats<W> factor, error = {};
      invert<W>(factor, scale);
      for (const Floats<W>& value : x) {
        Floats<W> q = value * factor + 128.0f;
        round_within<W>(q, 255);
        const Floats<W> rest = value - scale * (q - 128.0f);
        error += rest * rest;
      }
      const auto better = candidate == 0 ? error == error : error < least;
      best = better ? scale : best;
      least = better ? error : least;
    }
    Floats<W> factor;
    invert<W>(factor, best);
    for (int k = 0; k < block_inputs; ++k) {
      Floats<W> q = x[k] * factor + 128.0f;
      round_within<W>(q, 255);
      put<W>(to.values + block * 512 + k / 4 * 64 + lane * 4 + k % 4, q, 4);
    }
    for (int i = 0; i < W; ++i) {
      const bf16 scale(best[i]);
      std::memcpy(to.scales + 2 * (block * panel_outputs + lane + i), &scale, sizeof scale);
    }
  }

  template <int W>
  VLM_INLINE static void nibbles(const float* weights, Index blocks, int lane, float* scales, float* minima,
                                 const I4Panel<std::byte>& to) {
    Floats<W> x[block_inputs], largest_scale = {}, largest_minimum = {};
    for (Index block = 0; block < blocks; ++block) {
      Floats<W> scale, minimum;
      read<W>(x, weights, block, lane);
      fit<W>(x, scale, minimum);
      store<W>(scales + block * panel_outputs + lane, scale);
      store<W>(minima + block * panel_outputs + lane, minimum);
      largest_scale = largest_scale < scale ? scale : largest_scale;
      largest_minimum = largest_minimum < minimum ? minimum : largest_minimum;
    }
    const Floats<W> row_scale = largest_scale * (1.0f / most_steps),
                    row_minimum = largest_minimum * (1.0f / most_steps);
    std::memcpy(to.row_scales + 4 * lane, &row_scale, sizeof row_scale);
    std::memcpy(to.row_minima + 4 * lane, &row_minimum, sizeof row_minimum);
    for (Index block = 0; block < blocks; ++block) {
      Floats<W> scale, minimum;
      load<W>(scale, scales + block * panel_outputs + lane);
      load<W>(minimum, minima + block * panel_outputs + lane);
      read<W>(x, weights, block, lane);
      to_steps<W>(x, row_scale, row_minimum, scale, minimum);
      for (int i = 0; i < W; ++i) {
        const int of_scale = static_cast<int>(scale[i]), of_minimum = static_cast<int>(minimum[i]);
        to.scales[block * panel_outputs + lane + i] = static_cast<std::byte>(of_scale | of_minimum % 4 << 6);
        to.minima[to.minima_place(block) + lane + i] |=
            static_cast<std::byte>(of_minimum / 4 << to.minima_shift(block));
      }
      Floats<W> factor;
      invert<W>(factor, scale * row_scale);
      const Floats<W> shift = minimum * row_minimum;
      for (int k = 0; k < 4; ++k)  // of a group; its pairs are eight inputs
        for (int pair = 0; pair < 4; ++pair) {
          Floats<W> low = (x[8 * pair + k] + shift) * factor, high = (x[8 * pair + 4 + k] + shift) * factor;
          round_within<W>(low, 15);
          round_within<W>(high, 15);
          put<W>(to.values + block * 256 + pair * 64 + lane * 4 + k, low + 16.0f * high, 4);
        }
    }
  }
  // A block's scale and minimum in whole steps of the row's: of some scales, each with the minima that keep the middle of
  // the range about where it is, those with the least squared error. The nearest come first, for numbers whose squares
  // overflow or vanish.
  template <int W>
  VLM_INLINE static void to_steps(const Floats<W> (&x)[block_inputs], const Floats<W>& row_scale,
                                  const Floats<W>& row_minimum, Floats<W>& scale, Floats<W>& minimum) {
    Floats<W> over_scale, over_minimum, nearest, best_scale, best_minimum, least;
    invert<W>(over_scale, row_scale);
    invert<W>(over_minimum, row_minimum);
    nearest = scale * over_scale;
    round_within<W>(nearest, most_steps);
    best_scale = nearest;
    best_minimum = minimum * over_minimum;
    round_within<W>(best_minimum, most_steps);
    fill<W>(least, 3e38f);
    for (const float candidate : {0.0f, 1.0f, -1.0f, 2.0f, -2.0f, 3.0f, -3.0f}) {
      Floats<W> of_scale = nearest + candidate;
      round_within<W>(of_scale, most_steps);
      const Floats<W> step = of_scale * row_scale;
      Floats<W> middle = (minimum + 7.5f * (step - scale)) * over_minimum;
      round_within<W>(middle, most_steps);
      for (const float beside : {0.0f, 1.0f, -1.0f, 2.0f, -2.0f}) {
        Floats<W> of_minimum = middle + beside, error;
        round_within<W>(of_minimum, most_steps);
        squared_error<W>(error, x, step, of_minimum * row_minimum);
        const auto better = error < least;
        best_scale = better ? of_scale : best_scale;
        best_minimum = better ? of_minimum : best_minimum;
        least = better ? error : least;
      }
    }
    scale = best_scale;
    minimum = best_minimum;
  }
  // Of the numbers nearest to x that a scale and a minimum have.
  template <int W>
  VLM_INLINE static void squared_error(Floats<W>& error, const Floats<W> (&x)[block_inputs],
                                       const Floats<W>& scale, const Floats<W>& minimum) {
    Floats<W> factor, halves[2] = {};
    invert<W>(factor, scale);
    for (int k = 0; k < block_inputs / 2; ++k) {
      add_error<W>(halves[0], x[k] + minimum, factor, scale);
      add_error<W>(halves[1], x[k + block_inputs / 2] + minimum, factor, scale);
    }
    error = halves[0] + halves[1];
  }
  template <int W>
  VLM_INLINE static void add_error(Floats<W>& error, const Floats<W>& x, const Floats<W>& factor,
                                   const Floats<W>& step) {
    Floats<W> q = x * factor;
    round_within<W>(q, 15);
    const Floats<W> rest = x - step * q;
    error += rest * rest;
  }
  // x = scale q - minimum, minimum >= 0.
  template <int W>
  VLM_INLINE static void fit(const Floats<W> (&x)[block_inputs], Floats<W>& best_scale,
                             Floats<W>& best_minimum) {
    constexpr float count = block_inputs;
    Floats<W> low = {}, high = {}, sum = {}, least;
    for (const Floats<W>& value : x) {
      low = value < low ? value : low;
      high = high < value ? value : high;
      sum += value;
    }
    best_scale = (high - low) * (1.0f / 15.0f);
    best_minimum = -low;
    fill<W>(least, 3e38f);
    Floats<W> reach;
    invert<W>(reach, high - low);
    for (int candidate = 0; candidate < 8; ++candidate) {
      const Floats<W> factor = reach * (13.6f + 0.4f * static_cast<float>(candidate)), shift = low * factor;
      Floats<W> of_q = {}, of_squares = {}, of_products = {};
      for (const Floats<W>& value : x) {
        Floats<W> q = value * factor - shift;
        round_within<W>(q, 15);
        of_q += q;
        of_squares += q * q;
        of_products += q * value;
      }
      Floats<W> over, through;
      invert<W>(over, count * of_squares - of_q * of_q);
      invert<W>(through, of_squares);
      Floats<W> scale = (count * of_products - of_q * sum) * over,
                minimum = (of_q * of_products - of_squares * sum) * over;
      // Without a minimum below zero the line goes through the origin.
      scale = minimum > 0.0f ? scale : of_products * through;
      minimum = minimum > 0.0f ? minimum : Floats<W>{};
      Floats<W> error;
      squared_error<W>(error, x, scale, minimum);
      const auto better = (error < least) & (scale > 0.0f);
      best_scale = better ? scale : best_scale;
      best_minimum = better ? minimum : best_minimum;
      least = better ? error : least;
    }
  }
};

// Element (output, input) of a matrix in blocks without codes.
inline float block_element(const std::byte* data, DType format, Index inputs, Index output, Index input) {
  const std::byte* panel = data + output / panel_outputs * panel_bytes(format, inputs);
  const Index lane = output % panel_outputs, block = input / block_inputs, k = input % block_inputs;
  const auto number = [](const std::byte* from, auto value) {
    std::memcpy(&value, from, sizeof value);
    return static_cast<float>(value);
  };
  if (format == DType::Bf16Blocks)
    return number(panel + 4 * (input / 2 * panel_outputs + lane) + input % 2 * 2, bf16{});
  if (format == DType::I8Blocks) {
    const I8Panel<const std::byte> from(panel, inputs);
    const float q = number(from.values + block * 512 + k / 4 * 64 + lane * 4 + k % 4, std::uint8_t{});
    return number(from.scales + 2 * (block * panel_outputs + lane), bf16{}) * (q - 128.0f);
  }
  const I4Panel<const std::byte> from(panel, inputs);
  const auto pair = static_cast<int>(from.values[block * 256 + k / 8 * 64 + lane * 4 + k % 4]);
  const int steps = static_cast<int>(from.scales[block * panel_outputs + lane]),
            rest =
                static_cast<int>(from.minima[from.minima_place(block) + lane]) >> from.minima_shift(block) &
                15;
  const float scale = number(from.row_scales + 4 * lane, 0.0f) * static_cast<float>(steps & 63),
              minimum = number(from.row_minima + 4 * lane, 0.0f) * static_cast<float>(steps >> 6 | rest << 2);
  return scale * static_cast<float>(k % 8 < 4 ? pair & 15 : pair >> 4) - minimum;
}

// Row `output` of a matrix in blocks.
template <class T>
void read_block_row(IsaLevel level, const std::byte* data, DType format, Index inputs, Index output, T* to) {
  if (format != DType::Bf16CodeBlocks) {
    for (Index i = 0; i < inputs; ++i) to[i] = static_cast<T>(block_element(data, format, inputs, output, i));
    return;
  }
  alignas(64) bf16 pairs[slab_numbers];
  const CodePanel<const std::byte> panel(data + output / panel_outputs * panel_bytes(format, inputs), inputs);
  const bf16* row = pairs + 2 * (output % panel_outputs);
  for (Index i = 0; i < inputs; ++i) {
    if (i % slab_inputs == 0) decode_slab(level, panel, i / slab_inputs, pairs);
    to[i] = static_cast<T>(static_cast<float>(row[i % slab_inputs / 2 * 2 * panel_outputs + i % 2]));
  }
}

}  // namespace vlm::cpu

namespace vlm {

template <class T>
bool make_blocks(Queue<Cpu>& queue, View<const T, 2, Cpu> weight, DType format, std::byte* panels) {
  const Index outputs = weight.rows(), inputs = weight.extent[1], blocks = blocks_of(inputs);
  const Index size = blocks * block_inputs * panel_outputs, each = size + 2 * blocks * panel_outputs;
  const bool coded = format == DType::Bf16CodeBlocks;
  std::vector<float> memory(static_cast<std::size_t>(queue.threads() * each));
  std::vector<bf16> pairs(static_cast<std::size_t>(coded ? queue.threads() * size : 0));
  std::atomic<bool> all = true;
  queue.parallel(panels_of(outputs), [&](Index panel, int worker) {
    float* turned = memory.data() + worker * each;
    std::fill_n(turned, size, 0.0f);
    const Index first = panel * panel_outputs;
    for (Index lane = 0; lane < std::min(panel_outputs, outputs - first); ++lane) {
      const T* row = weight.row(first + lane);
      for (Index i = 0; i < inputs; ++i) turned[i * panel_outputs + lane] = static_cast<float>(row[i]);
    }
    std::byte* to = panels + panel * panel_bytes(format, inputs);
    bf16* rounded = pairs.data() + (coded ? worker * size : 0);
    cpu::dispatch<cpu::BlockWeightsKernel>(queue.level(), static_cast<const float*>(turned), inputs,
                                           coded ? DType::Bf16Blocks : format, turned + size,
                                           coded ? reinterpret_cast<std::byte*>(rounded) : to);
    if (coded && !cpu::encode_panel(rounded, inputs, to)) all = false;
  });
  return all;
}

}  // namespace vlm
