// A keyed permutation of [0, size) that needs no memory: a Feistel network on the next even number of bits,
// walked along its cycle until the value is inside.
// Source: Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002.
#pragma once

#include <cstdint>

#include <vlm/core/random.hpp>

namespace vlm {

class Permutation {
 public:
  Permutation(std::uint64_t size, std::uint64_t seed, std::uint64_t stream)
      : size_(size), random_(seed, stream) {
    while (half_bits_ < 31 && std::uint64_t{1} << (2 * half_bits_) < size) ++half_bits_;
  }

  // Where `index`, below the size, goes.
  std::uint64_t operator()(std::uint64_t index) const {
    do index = shuffle_once(index);
    while (index >= size_);
    return index;
  }

 private:
  static constexpr std::uint64_t rounds = 6;

  std::uint64_t shuffle_once(std::uint64_t value) const {
    const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
    std::uint64_t left = value >> half_bits_, right = value & mask;
    for (std::uint64_t round = 0; round < rounds; ++round) {
      const std::uint64_t mixed = left ^ (random_.bits(round << 32 | right) & mask);
      left = right;
      right = mixed;
    }
    return left << half_bits_ | right;
  }

  std::uint64_t size_;
  Random random_;
  unsigned half_bits_ = 1;
};

}  // namespace vlm
