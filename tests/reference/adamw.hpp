// One step of AdamW with decoupled decay.
#pragma once

#include <cmath>

#include "table.hpp"

namespace reference {

struct AdamWSettings {
  double gradient_scale = 1, learning_rate = 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, decay = 0;
  Index step = 1;
};

inline void adamw(Table& parameter, Table& first_moment, Table& second_moment, const Table& gradient,
                  const AdamWSettings& s) {
  const double t = static_cast<double>(s.step);
  for (Index i = 0; i < parameter.count(); ++i) {
    const double g = gradient[i] * s.gradient_scale;
    first_moment[i] = s.beta1 * first_moment[i] + (1 - s.beta1) * g;
    second_moment[i] = s.beta2 * second_moment[i] + (1 - s.beta2) * g * g;
    const double mean = first_moment[i] / (1 - std::pow(s.beta1, t));
    const double square = second_moment[i] / (1 - std::pow(s.beta2, t));
    parameter[i] *= 1 - s.learning_rate * s.decay;
    parameter[i] -= s.learning_rate * mean / (std::sqrt(square) + s.eps);
  }
}

}  // namespace reference
