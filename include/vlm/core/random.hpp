// Counter-based random numbers (SplitMix64): number i of a stream is a pure function of (seed, stream, i), so
// recomputation, any number of threads and both devices draw the same ones.
// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

#include <vlm/core/config.hpp>

namespace vlm {

VLM_HD constexpr std::uint64_t mix_bits(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

// FNV-1a: a stream's number from its name.
constexpr std::uint64_t hash_text(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return hash;
}

class Random {
 public:
  VLM_HD constexpr Random(std::uint64_t seed, std::uint64_t stream) : key_(mix_bits(seed ^ stream)) {}
  constexpr Random(std::uint64_t seed, std::string_view stream) : Random(seed, hash_text(stream)) {}

  VLM_HD constexpr std::uint64_t bits(std::uint64_t i) const {
    return mix_bits(key_ + (i + 1) * 0x9E3779B97F4A7C15u);
  }
  // Uniform in [0, 1), 24 bits.
  VLM_HD constexpr float uniform(std::uint64_t i) const {
    return static_cast<float>(bits(i) >> 40) * 0x1p-24f;
  }
  // Uniform integer in [0, bound); the bias is below bound / 2^64.
  VLM_HD constexpr std::uint64_t below(std::uint64_t i, std::uint64_t bound) const {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(bits(i)) * bound) >> 64);
  }
  // Standard normal (Box and Muller), one number from two draws.
  float normal(std::uint64_t i) const {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - static_cast<double>(bits(2 * i) >> 11) * 0x1p-53));
    const double angle = 2.0 * std::numbers::pi * static_cast<double>(bits(2 * i + 1) >> 11) * 0x1p-53;
    return static_cast<float>(radius * std::cos(angle));
  }

 private:
  std::uint64_t key_;
};

}  // namespace vlm
