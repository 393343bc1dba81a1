// YaRN: rotary frequencies for contexts beyond those of the training. Frequencies that turn often over the original
// context stay, those that turn seldom are divided by `factor`, with a ramp between; the tables are multiplied by
// attention_scale(). In fp32, as the reference computes it.
// Source: Peng, Quesnelle, Fan, Shippole, "YaRN: efficient context window extension of large language models", 2023.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <optional>
#include <vector>

#include <vlm/core/shape.hpp>

namespace vlm {

struct Yarn {
  // transformers from version 5 on and vLLM take the factor that the file states; transformers 4 took
  // max_position_embeddings / original_max_position_embeddings, whatever the file stated.
  double factor = 1;
  double original_positions = 262144;
  double beta_fast = 32, beta_slow = 1;      // turns over the original context at the ends of the ramp
  std::optional<double> attention_factor{};  // else 0.1 ln(factor) + 1

  float attention_scale() const {
    if (attention_factor) return static_cast<float>(*attention_factor);
    return factor <= 1 ? 1.0f : static_cast<float>(0.1 * std::log(factor) + 1);
  }
  friend bool operator==(const Yarn&, const Yarn&) = default;
};

namespace detail {

// Which pair of a head turns so often over the original context.
inline double pair_of_turns(double turns, double theta, Index head_dim, const Yarn& yarn) {
  return static_cast<double>(head_dim) * std::log(yarn.original_positions / (turns * 2 * std::numbers::pi)) /
         (2 * std::log(theta));
}

}  // namespace detail

// Changes the frequencies theta^(-2i/head_dim) of a head's pairs, [head_dim / 2].
inline void stretch_frequencies(std::vector<float>& frequencies, double theta, Index head_dim,
                                const Yarn& yarn) {
  const double low = std::max(std::floor(detail::pair_of_turns(yarn.beta_fast, theta, head_dim, yarn)), 0.0);
  double high = std::min(std::ceil(detail::pair_of_turns(yarn.beta_slow, theta, head_dim, yarn)),
                         static_cast<double>(head_dim - 1));
  if (high == low) high += 0.001;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const float place = (static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low);
    const float kept = 1.0f - std::clamp(place, 0.0f, 1.0f);
    const float power = static_cast<float>(
        std::pow(static_cast<float>(theta), static_cast<float>(2 * i) / static_cast<float>(head_dim)));
    const float divided = 1.0f / (static_cast<float>(yarn.factor) * power);
    frequencies[i] = divided * (1.0f - kept) + frequencies[i] * kept;
  }
}

}  // namespace vlm
