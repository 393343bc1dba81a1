// The weights of bicubic resampling along one side, as Pillow computes them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <vlm/core/recycled.hpp>
#include <vlm/core/shape.hpp>

namespace vlm {

// For each position of one output axis: where its window of input positions begins, and their integer weights. After
// the weights of a window stand zeros up to a multiple of four.
class ResampleWeights {
 public:
  static constexpr int fraction_bits = 22;

  // How many weights may be read from any place of a window.
  static constexpr Index readable = 16;

  struct Window {
    Index begin, count;
    const std::int32_t* weights;
  };

  ResampleWeights(Index in_size, Index out_size)
      : scale_(static_cast<double>(in_size) / static_cast<double>(out_size)),
        stretch_(std::max(scale_, 1.0)),
        capacity_((static_cast<Index>(std::ceil(2.0 * stretch_)) * 2 + 1 + 3) / 4 * 4),
        weights_(static_cast<std::size_t>(out_size * capacity_ + readable), 0) {
    std::vector<double, Recycled<double>> exact(static_cast<std::size_t>(capacity_));
    begins_.reserve(static_cast<std::size_t>(out_size));
    counts_.reserve(static_cast<std::size_t>(out_size));
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

  void fill_window(Index i, Index in_size, std::vector<double, Recycled<double>>& exact) {
    const double center = (static_cast<double>(i) + 0.5) * scale_;
    const double support = 2.0 * stretch_;
    Index begin = std::max(static_cast<Index>(center - support + 0.5), Index{0});
    const Index end = std::min(static_cast<Index>(center + support + 0.5), in_size);
    double sum = 0;
    for (Index x = begin; x < end; ++x) {
      const double weight = cubic((static_cast<double>(x) - center + 0.5) * (1.0 / stretch_));
      exact[static_cast<std::size_t>(x - begin)] = weight;
      sum += weight;
    }
    std::int32_t* weights = weights_.data() + i * capacity_;
    Index count = 0;
    for (Index k = 0; k < end - begin; ++k) {
      const double weight = exact[static_cast<std::size_t>(k)] / sum * (1 << fraction_bits);
      weights[count++] = static_cast<std::int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    // Zeros at the ends add nothing.
    Index leading = 0;
    while (leading + 1 < count && weights[leading] == 0) ++leading;
    std::copy(weights + leading, weights + count, weights);
    std::fill(weights + count - leading, weights + count, 0);
    begin += leading;
    count -= leading;
    while (count > 1 && weights[count - 1] == 0) --count;
    begins_.push_back(begin);
    counts_.push_back(count);
  }

  double scale_, stretch_;
  Index capacity_;
  std::vector<std::int32_t, Recycled<std::int32_t>> weights_;
  std::vector<Index, Recycled<Index>> begins_, counts_;
};

// Whether Pillow 13 shrinks the height before it resizes the width; releases before it never do. The order shows where the
// 8 bits between the passes were clipped or rounded.
inline bool height_comes_first(Index in_height, Index in_width, Index out_height, Index out_width) {
  return in_height > out_height && in_height - out_height > 2 * (in_width - out_width);
}

}  // namespace vlm
