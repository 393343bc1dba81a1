// The inner loops of the pixel pass, at every instruction-set level. Pixels are 32 bits: red in the lowest byte, then green,
// blue, and one that means nothing. Sums are of integers, so every level gives the same bits.
#pragma once

#include <cstdint>
#include <cstring>

#include <vlm/core/shape.hpp>
#include <vlm/ops/cpu/lanes.hpp>
#include <vlm/vision/pixel_pass.hpp>
#include <vlm/vision/resample_weights.hpp>

namespace vlm::cpu {

using Pixel = std::uint32_t;
// Rows of pixels are this much longer than the image, so that vectors may reach over their end.
inline constexpr Index pixel_padding = 16;
inline constexpr std::int32_t resample_half = 1 << (ResampleWeights::fraction_bits - 1);

template <int W>
VLM_INLINE void clip_levels(Integers<W>& sums) {
  sums >>= ResampleWeights::fraction_bits;
  sums = sums < 0 ? Integers<W>{} : sums;
  sums = sums > 255 ? 255 - Integers<W>{} : sums;
}

// The levels of red, green and blue of W pixels at `x`, weighted over the rows of a window.
template <int W>
VLM_INLINE void weigh_rows(Integers<W> (&levels)[3], const Pixel* const* rows,
                           const ResampleWeights::Window& window, Index x) {
  VLM_UNROLL for (int c = 0; c < 3; ++c) levels[c] = resample_half - Integers<W>{};
  const Pixel* const* row = rows + window.begin;
  for (Index k = 0; k < window.count; ++k) {
    Unsigned<W> pixels;
    std::memcpy(&pixels, row[k] + x, sizeof pixels);
    const std::int32_t weight = window.weights[k];
    levels[0] += (Integers<W>)(pixels & 255u) * weight;
    levels[1] += (Integers<W>)(pixels >> 8 & 255u) * weight;
    levels[2] += (Integers<W>)(pixels >> 16 & 255u) * weight;
  }
  VLM_UNROLL for (int c = 0; c < 3; ++c) clip_levels<W>(levels[c]);
}

// One row of the height's pass.
struct WeighRow {
  template <int W>
  VLM_INLINE static void run(const Pixel* const* rows, const ResampleWeights::Window* window, Pixel* to,
                             Index width) {
    for (Index x = 0; x < width; x += W) {
      Integers<W> levels[3];
      weigh_rows<W>(levels, rows, *window, x);
      const Integers<W> pixels = levels[0] | levels[1] << 8 | levels[2] << 16;
      std::memcpy(to + x, &pixels, sizeof pixels);
    }
  }
};

// Some rows of the width's pass.
struct WeighColumns {
  // Lanes are the four channels of W / 4 pixels that stand side by side.
  template <int W>
  VLM_INLINE static void run(const Pixel* const* rows, Index count, const ResampleWeights* weights, Pixel* to,
                             Index pitch, Index width) {
    Index row = 0;
    for (; row + 4 <= count; row += 4) some_rows<W, 4>(rows + row, weights, to + row * pitch, pitch, width);
    for (; row < count; ++row) some_rows<W, 1>(rows + row, weights, to + row * pitch, pitch, width);
  }

 private:
  template <int W, int Rows>
  VLM_INLINE static void some_rows(const Pixel* const* rows, const ResampleWeights* weights, Pixel* to,
                                   Index pitch, Index width) {
    constexpr int pixels_at_once = W / 4;
    const Unsigned<4> places = {0, 8, 16, 24};
    for (Index x = 0; x < width; ++x) {
      const ResampleWeights::Window window = weights->window(x);
      Integers<W> sums[Rows];
      VLM_UNROLL for (int r = 0; r < Rows; ++r) sums[r] = Integers<W>{};
      for (Index k = 0; k < window.count; k += pixels_at_once) {
        Unsigned<W> weight;
        spread<W>(weight, window.weights + k);
        VLM_UNROLL for (int r = 0; r < Rows; ++r) {
          Unsigned<W> pixels;
          spread<W>(pixels, rows[r] + window.begin + k);
          take_channels<W>(pixels);
          sums[r] += (Integers<W>)(pixels * weight);
        }
      }
      VLM_UNROLL for (int r = 0; r < Rows; ++r) {
        Integers<4> levels;
        fold<W>(levels, sums[r]);
        levels += resample_half;
        clip_levels<4>(levels);
        const Unsigned<4> placed = (Unsigned<4>)levels << places;
        std::uint64_t pairs[2];
        std::memcpy(pairs, &placed, sizeof pairs);
        const std::uint64_t pixel = pairs[0] | pairs[1];
        to[r * pitch + x] = static_cast<Pixel>(pixel | pixel >> 32);
      }
    }
  }

  // Each of the W / 4 numbers at `from` in four lanes; as many as there are lanes are read.
  template <int W, class Number>
  VLM_INLINE static void spread(Unsigned<W>& lanes, const Number* from) {
    if constexpr (W == 4) {
      lanes = static_cast<std::uint32_t>(from[0]) - Unsigned<W>{};
    } else {
      std::memcpy(&lanes, from, sizeof lanes);
      if constexpr (W == 16)
        lanes = __builtin_shufflevector(lanes, lanes, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
      else
        lanes = __builtin_shufflevector(lanes, lanes, 0, 0, 0, 0, 1, 1, 1, 1);
    }
  }
  // Of each pixel, which stands in four lanes, one channel in each of them.
  template <int W>
  VLM_INLINE static void take_channels(Unsigned<W>& pixels) {
    Unsigned<W> places{};
    VLM_UNROLL for (int i = 0; i < W; ++i) places[i] = static_cast<std::uint32_t>(i % 4 * 8);
    pixels = pixels >> places & 255u;
  }
  // The sums of each channel.
  template <int W>
  VLM_INLINE static void fold(Integers<4>& levels, const Integers<W>& lanes) {
    Integers<4> parts[W / 4];
    std::memcpy(parts, &lanes, sizeof parts);
    if constexpr (W == 16)
      levels = (parts[0] + parts[1]) + (parts[2] + parts[3]);
    else if constexpr (W == 8)
      levels = parts[0] + parts[1];
    else
      levels = parts[0];
  }
};

// One row of merge windows of the height's pass, normalised into patch rows.
struct WeighPatches {
  // `windows` holds one window for each of the patch * merge resized rows; `to` is where their patch rows begin.
  template <int W>
  VLM_INLINE static void run(const Pixel* const* rows, const ResampleWeights::Window* windows,
                             const vlm::detail::PatchTarget* target, float* to) {
    const Index p = target->patch, side = p * target->merge, features = 3 * target->slices * p * p;
    for (Index left = 0; left < target->width; left += side)
      for (Index row = 0; row < target->merge; ++row)
        for (Index column = 0; column < target->merge; ++column, to += features)
          for (Index y = 0; y < p; ++y)
            for (Index x = 0; x < p; x += W) {
              Integers<W> levels[3];
              weigh_rows<W>(levels, rows, windows[row * p + y], left + column * p + x);
              VLM_UNROLL for (int c = 0; c < 3; ++c) {
                const Floats<W> values = (__builtin_convertvector(levels[c], Floats<W>) -
                                          target->mean[static_cast<std::size_t>(c)]) /
                                         target->deviation[static_cast<std::size_t>(c)];
                for (Index slice = target->first_slice; slice < target->last_slice; ++slice) {
                  float* place = to + ((c * target->slices + slice) * p + y) * p + x;
                  if (x + W <= p)
                    store<W>(place, values);
                  else
                    store_some<W>(place, values, p - x);
                }
              }
            }
  }
};

}  // namespace vlm::cpu
