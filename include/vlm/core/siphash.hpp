// SipHash-2-4 with 128 bits: a keyed hash of bytes, the same on every machine.
// Source: Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012, and the authors' 128-bit variant.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace vlm {

struct Hash128 {
  std::uint64_t low = 0, high = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
};

// Bytes may come in pieces; the pieces make no difference.
class SipHash {
 public:
  explicit SipHash(std::uint64_t low_key = 0, std::uint64_t high_key = 0)
      : v_{low_key ^ 0x736f6d6570736575u, high_key ^ 0x646f72616e646f6du ^ 0xeeu,
           low_key ^ 0x6c7967656e657261u, high_key ^ 0x7465646279746573u} {}

  void add(std::span<const std::byte> bytes) {
    const std::byte* next = bytes.data();
    std::size_t left = bytes.size();
    for (; left > 0 && size_ % 8 != 0; --left) add_byte(*next++);
    for (; left >= 8; left -= 8, next += 8) {
      std::uint64_t word = 0;
      for (unsigned i = 0; i < 8; ++i) word |= std::to_integer<std::uint64_t>(next[i]) << (8 * i);
      size_ += 8;
      absorb(word);
    }
    for (; left > 0; --left) add_byte(*next++);
  }
  void add(std::uint64_t number) {
    std::array<std::byte, 8> bytes;
    for (unsigned i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(number >> (8 * i) & 0xffu);
    add(bytes);
  }

  Hash128 finish() {
    absorb(rest_ | size_ << 56);
    v_[2] ^= 0xeeu;
    for (int i = 0; i < 4; ++i) turn();
    const std::uint64_t low = v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
    v_[1] ^= 0xddu;
    for (int i = 0; i < 4; ++i) turn();
    return {low, v_[0] ^ v_[1] ^ v_[2] ^ v_[3]};
  }

 private:
  void add_byte(std::byte byte) {
    rest_ |= std::to_integer<std::uint64_t>(byte) << (size_ % 8 * 8);
    if (++size_ % 8 != 0) return;
    absorb(rest_);
    rest_ = 0;
  }
  void absorb(std::uint64_t word) {
    v_[3] ^= word;
    turn();
    turn();
    v_[0] ^= word;
  }
  void turn() {
    v_[0] += v_[1];
    v_[2] += v_[3];
    v_[1] = std::rotl(v_[1], 13) ^ v_[0];
    v_[3] = std::rotl(v_[3], 16) ^ v_[2];
    v_[0] = std::rotl(v_[0], 32);
    v_[2] += v_[1];
    v_[0] += v_[3];
    v_[1] = std::rotl(v_[1], 17) ^ v_[2];
    v_[3] = std::rotl(v_[3], 21) ^ v_[0];
    v_[2] = std::rotl(v_[2], 32);
  }

  std::uint64_t v_[4];
  std::uint64_t rest_ = 0, size_ = 0;  // bytes that make no word yet; all bytes so far
};

}  // namespace vlm
