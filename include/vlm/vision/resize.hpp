// Sizes that fit the patch grid within a pixel budget, and bicubic resampling that is byte-equal to Pillow's:
// Keys kernel with a = -0.5, widened when shrinking, weights as integers with 22 fractional bits, a
// horizontal pass into 8 bits and then a vertical one, each rounded and clipped. Pillow 13 and later swap the
// passes for some sizes; this is the order of all releases before it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/vision/image.hpp>

namespace vlm {

struct ImageSize {
  Index height = 0;
  Index width = 0;
  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

// How many pixels a resized image may have.
struct PixelBudget {
  Index min_pixels = 65536;
  Index max_pixels = 16777216;
  friend bool operator==(const PixelBudget&, const PixelBudget&) = default;
};

// `factor` is the side that sizes are multiples of: the patch size times the merge size.
inline void check_pixel_budget(const PixelBudget& budget, Index factor) {
  const auto [least, most] = budget;
  if (least >= 1 && least <= most && most <= max_image_pixels && factor >= 1) return;
  throw ConfigError("pixel-budget",
                    {{"expected", "1 <= min_pixels <= max_pixels <= " + std::to_string(max_image_pixels) +
                                      ", patch size * merge size >= 1"},
                     {"got", "min_pixels " + std::to_string(least) + ", max_pixels " + std::to_string(most) +
                                 ", patch size * merge size " + std::to_string(factor)}});
}

// The multiples of `factor` nearest to the sides (halves to even), scaled at one ratio when the
// budget asks for it.
inline ImageSize smart_resize(Index height, Index width, Index factor, const PixelBudget& budget) {
  check_pixel_budget(budget, factor);
  check_image_size(height, width, "image to resize");
  if (std::max(height, width) > 200 * std::min(height, width))
    throw DataError("image-aspect",
                    {{"expected", "an aspect ratio of at most 200"},
                     {"got", "height " + std::to_string(height) + ", width " + std::to_string(width)},
                     {"try", "crop the image"}});
  const auto side = [factor](double blocks) { return static_cast<Index>(blocks) * factor; };
  const double h = static_cast<double>(height), w = static_cast<double>(width),
               f = static_cast<double>(factor);
  const ImageSize nearest{side(std::nearbyint(h / f)), side(std::nearbyint(w / f))};
  const Index pixels = nearest.height * nearest.width;
  if (pixels > budget.max_pixels) {
    const double beta = std::sqrt(h * w / static_cast<double>(budget.max_pixels));
    return {std::max(factor, side(std::floor(h / beta / f))),
            std::max(factor, side(std::floor(w / beta / f)))};
  }
  if (pixels < budget.min_pixels) {
    const double beta = std::sqrt(static_cast<double>(budget.min_pixels) / (h * w));
    return {side(std::ceil(h * beta / f)), side(std::ceil(w * beta / f))};
  }
  return nearest;
}

namespace detail {

// For each position of one output axis: where its window of input positions begins,
// and their integer weights.
struct ResizeWeights {
  static constexpr int fraction_bits = 22;

  struct Window {
    Index begin, count;
    const std::int32_t* weights;
  };

  ResizeWeights(Index in_size, Index out_size)
      : scale_(static_cast<double>(in_size) / static_cast<double>(out_size)),
        stretch_(std::max(scale_, 1.0)),
        capacity_(static_cast<Index>(std::ceil(2.0 * stretch_)) * 2 + 1),
        weights_(static_cast<std::size_t>(out_size * capacity_)) {
    std::vector<double> exact(static_cast<std::size_t>(capacity_));
    for (Index i = 0; i < out_size; ++i) fill_window(i, in_size, exact);
  }

  Window window(Index i) const {
    const auto at = static_cast<std::size_t>(i);
    return {begins_[at], counts_[at], weights_.data() + i * capacity_};
  }

 private:
  static double cubic(double x) {
    constexpr double a = -0.5;
    x = std::abs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
  }

  void fill_window(Index i, Index in_size, std::vector<double>& exact) {
    const double center = (static_cast<double>(i) + 0.5) * scale_;
    const double support = 2.0 * stretch_;
    const Index begin = std::max(static_cast<Index>(center - support + 0.5), Index{0});
    const Index end = std::min(static_cast<Index>(center + support + 0.5), in_size);
    double sum = 0;
    for (Index x = begin; x < end; ++x) {
      const double weight = cubic((static_cast<double>(x) - center + 0.5) * (1.0 / stretch_));
      exact[static_cast<std::size_t>(x - begin)] = weight;
      sum += weight;
    }
    std::int32_t* weights = weights_.data() + i * capacity_;
    for (Index k = 0; k < end - begin; ++k) {
      const double weight = exact[static_cast<std::size_t>(k)] / sum * (1 << fraction_bits);
      weights[k] = static_cast<std::int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    begins_.push_back(begin);
    counts_.push_back(end - begin);
  }

  double scale_, stretch_;
  Index capacity_;
  std::vector<std::int32_t> weights_;
  std::vector<Index> begins_, counts_;
};

inline std::uint8_t round_and_clip(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> ResizeWeights::fraction_bits, 0, 255));
}
inline constexpr std::int32_t one_half = 1 << (ResizeWeights::fraction_bits - 1);

inline Image resize_width(const Image& image, Index width) {
  const ResizeWeights weights(image.width, width);
  Image result(image.height, width);
  for (Index y = 0; y < image.height; ++y)
    for (Index x = 0; x < width; ++x) {
      const ResizeWeights::Window window = weights.window(x);
      const std::uint8_t* pixel = image.at(y, window.begin);
      std::int32_t sums[3] = {one_half, one_half, one_half};
      for (Index k = 0; k < window.count; ++k)
        for (Index c = 0; c < 3; ++c) sums[c] += pixel[k * 3 + c] * window.weights[k];
      for (Index c = 0; c < 3; ++c) result.at(y, x)[c] = round_and_clip(sums[c]);
    }
  return result;
}

inline Image resize_height(const Image& image, Index height) {
  const ResizeWeights weights(image.height, height);
  Image result(height, image.width);
  std::vector<std::int32_t> sums(static_cast<std::size_t>(image.width * 3));
  for (Index y = 0; y < height; ++y) {
    const ResizeWeights::Window window = weights.window(y);
    std::fill(sums.begin(), sums.end(), one_half);
    for (Index k = 0; k < window.count; ++k) {
      const std::uint8_t* row = image.at(window.begin + k, 0);
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += row[i] * window.weights[k];
    }
    std::transform(sums.begin(), sums.end(), result.at(y, 0), round_and_clip);
  }
  return result;
}

}  // namespace detail

inline Image resize_bicubic(const Image& image, Index height, Index width) {
  check_image_size(image.height, image.width, "image to resize");
  check_image_size(height, width, "resized image");
  if (width == image.width) return height == image.height ? image : detail::resize_height(image, height);
  const Image wide = detail::resize_width(image, width);
  return height == image.height ? wide : detail::resize_height(wide, height);
}

}  // namespace vlm
