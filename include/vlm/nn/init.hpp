// First values of parameters: zeros, ones, or a normal distribution; each from the seed
// and the parameter's name.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <vlm/core/random.hpp>
#include <vlm/nn/param.hpp>

namespace vlm {

inline void initialise(std::span<float> values, Initial initial, std::uint64_t seed, std::string_view name,
                       float deviation) {
  const Random random(seed, name);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = initial == Initial::Normal ? deviation * random.normal(i)
                : initial == Initial::One  ? 1.0f
                                           : 0.0f;
}

}  // namespace vlm
