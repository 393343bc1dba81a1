// The learning rate of each step: linear warm-up, then one of three shapes. Step s of T, w of them warm-up:
//   s < w:      peak * s / w
//   cosine:     end + (peak - end) / 2 * (1 + cos(pi (s - w) / (T - w)))
//   linear:     peak + (end - peak) * (s - w) / (T - w)
//   constant:   peak
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#include <vlm/core/shape.hpp>

namespace vlm {

enum class RateShape : std::uint8_t { Cosine, Linear, Constant };

struct Schedule {
  double peak = 1e-3, end = 0;
  Index warm_up = 0, steps = 1;
  RateShape shape = RateShape::Cosine;

  double operator()(Index step) const {
    if (step < warm_up) return peak * static_cast<double>(step) / static_cast<double>(warm_up);
    const Index rest = steps - warm_up;
    // One step that goes down at once would train nothing.
    if (shape == RateShape::Constant || rest <= 1) return peak;
    const double share = std::min(1.0, static_cast<double>(step - warm_up) / static_cast<double>(rest));
    if (shape == RateShape::Linear) return peak + (end - peak) * share;
    return end + (peak - end) / 2 * (1 + std::cos(std::numbers::pi * share));
  }
};

}  // namespace vlm
