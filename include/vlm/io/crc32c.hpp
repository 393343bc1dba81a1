// CRC-32C (Castagnoli): the reflected polynomial 0x82F63B78, begun and ended with all bits inverted. Eight bytes at a
// time by eight tables; the same on every machine.
// Source: RFC 3720, 12.1 and B.4 (vectors); Kounavis and Berry, "A systematic approach to building high performance
// software-based CRC generators", 2005 (tables).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace vlm {

namespace detail {

using Crc32cTables = std::array<std::array<std::uint32_t, 256>, 8>;

// Made when first asked for, which costs less than at every compilation.
inline Crc32cTables make_crc32c_tables() {
  Crc32cTables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1u ? 0x82F63B78u : 0u);
    tables[0][byte] = crc;
  }
  for (std::size_t byte = 0; byte < 256; ++byte)
    for (std::size_t k = 1; k < 8; ++k) {
      const std::uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xffu];
    }
  return tables;
}

inline const Crc32cTables& crc32c_tables() {
  static const Crc32cTables tables = make_crc32c_tables();
  return tables;
}

// Four bytes, the lowest first.
inline std::uint32_t four_bytes(const std::byte* at) {
  const auto byte = [&](int i) { return std::to_integer<std::uint32_t>(at[i]) << (8 * i); };
  return byte(0) | byte(1) | byte(2) | byte(3);
}

}  // namespace detail

// The checksum of `bytes`, or of bytes whose checksum is `before` with these after them.
inline std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = 0) {
  const auto& t = detail::crc32c_tables();
  std::uint32_t crc = ~before;
  const std::byte* next = bytes.data();
  const std::byte* const end = next + bytes.size();
  for (; end - next >= 8; next += 8) {
    const std::uint32_t low = detail::four_bytes(next) ^ crc, high = detail::four_bytes(next + 4);
    crc = t[7][low & 0xffu] ^ t[6][low >> 8 & 0xffu] ^ t[5][low >> 16 & 0xffu] ^ t[4][low >> 24] ^
          t[3][high & 0xffu] ^ t[2][high >> 8 & 0xffu] ^ t[1][high >> 16 & 0xffu] ^ t[0][high >> 24];
  }
  for (; next < end; ++next) crc = (crc >> 8) ^ t[0][(crc ^ std::to_integer<std::uint32_t>(*next)) & 0xffu];
  return ~crc;
}

}  // namespace vlm
