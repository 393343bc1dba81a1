// Rotary tables: which angles turn the pairs of a head, from positions on the three axes time, height and width. A
// kind says which axis drives frequency i of a head's n pairs, and the power of theta that this frequency is:
//   Plain1D        time alone, theta^(-i/n). Text has equal axes, so there it is the ordinary embedding; the tokens of
//                  a picture share a position
//   SectionedM     T ... T H ... H W ... W, theta^(-i/n): a section for each axis (Qwen2-VL, Qwen2.5-VL)
//   InterleavedM   T H W T H W ..., the rest T, theta^(-i/n) (Qwen3-VL)
//   Spatial2D      the first half height, the second half width, each with all powers theta^(-i/(n/2)); no time (the
//                  vision tower)
// Angles are single fp32 products of an fp32 frequency and the position, as in the reference. The tables are those of
// RopeRotate, whose backward is the opposite rotation by the same tables.
#pragma once

#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <span>
#include <vector>

#include <vlm/core/shape.hpp>

namespace vlm {

// How many frequencies the axes time, height and width have; empty for kinds without sections.
using RopeSection = std::array<Index, 3>;

namespace detail {

// theta^(-i/n) = theta^(-2i/(2n)), in the arithmetic of the reference.
struct FallingPowers {
  static float exponent(Index i, Index pairs) {
    return static_cast<float>(2 * i) / static_cast<float>(2 * pairs);
  }
};

}  // namespace detail

struct Plain1D : detail::FallingPowers {
  static int axis(Index, Index, const RopeSection&) { return 0; }
};

struct SectionedM : detail::FallingPowers {
  static int axis(Index i, Index, const RopeSection& section) {
    if (i < section[0]) return 0;
    return i < section[0] + section[1] ? 1 : 2;
  }
};

// H if i mod 3 is 1 and i < 3 * section[1], W if 2 and i < 3 * section[2], else T.
struct InterleavedM : detail::FallingPowers {
  static int axis(Index i, Index, const RopeSection& section) {
    if (i % 3 == 1 && i < 3 * section[1]) return 1;
    if (i % 3 == 2 && i < 3 * section[2]) return 2;
    return 0;
  }
};

struct Spatial2D {
  static int axis(Index i, Index pairs, const RopeSection&) { return i < pairs / 2 ? 1 : 2; }
  static float exponent(Index i, Index pairs) {
    return detail::FallingPowers::exponent(i % (pairs / 2), pairs / 2);
  }
};

template <class K>
concept RotaryKind = requires(Index i, const RopeSection& section) {
  { K::axis(i, i, section) } -> std::same_as<int>;
  { K::exponent(i, i) } -> std::same_as<float>;
};

// The frequencies of a head's pairs, [head_dim / 2], in fp32.
template <RotaryKind Kind>
std::vector<float> rope_frequencies(double theta, Index head_dim) {
  const Index pairs = head_dim / 2;
  std::vector<float> frequencies;
  frequencies.reserve(static_cast<std::size_t>(pairs));
  for (Index i = 0; i < pairs; ++i)
    frequencies.push_back(1.0f / std::pow(static_cast<float>(theta), Kind::exponent(i, pairs)));
  return frequencies;
}

// Appends rows of cosine, sine [rows, head_dim / 2] for positions [3, rows]; `scale` multiplies both.
template <RotaryKind Kind>
void append_rope_tables(std::span<const std::int32_t> positions, std::span<const float> frequencies,
                        const RopeSection& section, std::vector<float>& cosine, std::vector<float>& sine,
                        float scale = 1) {
  const std::size_t rows = positions.size() / 3, pairs = frequencies.size(), first = cosine.size();
  cosine.resize(first + rows * pairs);
  sine.resize(first + rows * pairs);
  for (std::size_t i = 0; i < pairs; ++i) {
    const int axis = Kind::axis(static_cast<Index>(i), static_cast<Index>(pairs), section);
    const std::int32_t* places = positions.data() + static_cast<std::size_t>(axis) * rows;
    for (std::size_t row = 0; row < rows; ++row) {
      const float angle = frequencies[i] * static_cast<float>(places[row]);
      cosine[first + row * pairs + i] = std::cos(angle) * scale;
      sine[first + row * pairs + i] = std::sin(angle) * scale;
    }
  }
}

// The same into emptied tables.
template <RotaryKind Kind>
void fill_rope_tables(std::span<const std::int32_t> positions, std::span<const float> frequencies,
                      const RopeSection& section, std::vector<float>& cosine, std::vector<float>& sine,
                      float scale = 1) {
  cosine.clear();
  sine.clear();
  append_rope_tables<Kind>(positions, frequencies, section, cosine, sine, scale);
}

}  // namespace vlm
