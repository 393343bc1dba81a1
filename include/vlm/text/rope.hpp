// Rotary tables of the text stream: the axes time, height and width share the frequencies of one head.
//   InterleavedM   frequencies take turns: T H W T H W ..., the rest T (Qwen3-VL)
// Angles are single fp32 products of an fp32 frequency and the position, as in the reference.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include <vlm/core/shape.hpp>

namespace vlm {

// Which axis drives frequency i: H if i mod 3 is 1 and i < 3 * section[1], W if 2 and i < 3
// * section[2], else T.
struct InterleavedM {
  static constexpr const char* name = "interleaved";
  static int axis(Index i, const std::array<Index, 3>& section) {
    if (i % 3 == 1 && i < 3 * section[1]) return 1;
    if (i % 3 == 2 && i < 3 * section[2]) return 2;
    return 0;
  }
};

// theta^(-2i / head_dim), i in [0, head_dim / 2), in fp32.
inline std::vector<float> rope_frequencies(double theta, Index head_dim) {
  std::vector<float> frequencies(static_cast<std::size_t>(head_dim / 2));
  for (std::size_t i = 0; i < frequencies.size(); ++i)
    frequencies[i] =
        1.0f / std::pow(static_cast<float>(theta), static_cast<float>(2 * i) / static_cast<float>(head_dim));
  return frequencies;
}

// cosine, sine [tokens, head_dim / 2] from positions [3, tokens].
template <class Kind>
void fill_rope_tables(std::span<const std::int32_t> positions, std::span<const float> frequencies,
                      const std::array<Index, 3>& section, std::vector<float>& cosine,
                      std::vector<float>& sine) {
  const std::size_t tokens = positions.size() / 3, count = frequencies.size();
  cosine.resize(tokens * count);
  sine.resize(tokens * count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t* axis =
        positions.data() + static_cast<std::size_t>(Kind::axis(static_cast<Index>(i), section)) * tokens;
    for (std::size_t t = 0; t < tokens; ++t) {
      const float angle = frequencies[i] * static_cast<float>(axis[t]);
      cosine[t * count + i] = std::cos(angle);
      sine[t * count + i] = std::sin(angle);
    }
  }
}

}  // namespace vlm
