// The learning rate of each step: linear warm-up, then a cosine to `end`. Step s of T, w of them warm-up:
//   s < w:   peak * s / w
//   else:    end + (peak - end) / 2 * (1 + cos(pi (s - w) / (T - w)))
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include <vlm/core/shape.hpp>

namespace vlm {

struct CosineSchedule {
  double peak = 1e-3, end = 0;
  Index warm_up = 0, steps = 1;

  double operator()(Index step) const {
    if (step < warm_up) return peak * static_cast<double>(step) / static_cast<double>(warm_up);
    const Index rest = steps - warm_up;
    if (rest <= 1) return peak;  // a cosine of one step would train nothing
    const double share = std::min(1.0, static_cast<double>(step - warm_up) / static_cast<double>(rest));
    return end + (peak - end) / 2 * (1 + std::cos(std::numbers::pi * share));
  }
};

}  // namespace vlm
