// Panels of bf16 with codes for exponents (weight_blocks.hpp): made once, and decoded, slab by slab, for the tiles of
// bf16_tile.hpp. Reading three tenths less is what a single row of activations gains.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

#include <vlm/ops/cpu/lanes.hpp>
#include <vlm/ops/weight_blocks.hpp>

namespace vlm::cpu {

inline constexpr Index slab_numbers = slab_inputs * panel_outputs;  // of one panel

// Two pairs of inputs, of which a block has eight.
struct CodeUnit {
  static constexpr Index count = 8, numbers = code_block_numbers / count, code_bytes = 24;
  static constexpr Index bytes = code_bytes + numbers;

  // Which number of the unit has a place.
  static constexpr Index number_at(Index place) { return place / 16 * 8 + place % 16 / 8 * 32 + place % 8; }
  // Eight codes, a byte each, of three bytes, and back.
  static std::uint64_t codes(const std::byte* from) {
    auto bits = static_cast<std::uint64_t>(from[0]) | static_cast<std::uint64_t>(from[1]) << 8 |
                static_cast<std::uint64_t>(from[2]) << 16;
    bits = (bits | bits << 20) & 0x00000fff00000fffu;
    bits = (bits | bits << 10) & 0x003f003f003f003fu;
    return (bits | bits << 5) & 0x0707070707070707u;
  }
  static void put_codes(std::byte* to, std::uint64_t codes) {
    codes = (codes | codes >> 5) & 0x003f003f003f003fu;
    codes = (codes | codes >> 10) & 0x00000fff00000fffu;
    codes |= codes >> 20;
    for (int i = 0; i < 3; ++i) to[i] = static_cast<std::byte>(codes >> 8 * i);
  }
};

// An exponent as panels keep it: its lowest bit stands where the lower byte of a number has it, the others where the
// upper byte has them.
constexpr std::uint8_t rotated_exponent(bf16 value) {
  const unsigned exponent = value.bits >> 7 & 0xffu;
  return static_cast<std::uint8_t>(exponent << 7 | exponent >> 1);
}
constexpr std::uint8_t sign_and_fraction(bf16 value) {
  return static_cast<std::uint8_t>((value.bits >> 8 & 0x80u) | (value.bits & 0x7fu));
}

constexpr bf16 joined(std::uint8_t sign_and_fraction, std::uint8_t exponent) {
  bf16 value;
  value.bits = static_cast<std::uint16_t>((sign_and_fraction & 0x80u) << 8 | (exponent & 0x7fu) << 8 |
                                          (exponent & 0x80u) | (sign_and_fraction & 0x7fu));
  return value;
}

// The seven most frequent exponents of a slab and the code of each; 0 for the rest.
struct ExponentCodes {
  std::uint8_t exponents[8] = {}, code_of[256] = {};
  Index rare;  // numbers with code 0

  ExponentCodes(const bf16* values, Index count) {
    // Apart for neighbours: most exponents are equal, and additions to one count wait for each other.
    std::uint16_t parts[4][256] = {}, counts[256];
    for (Index i = 0; i < count; ++i) ++parts[i % 4][rotated_exponent(values[i])];
    std::uint8_t present[256];
    std::uint8_t* end = present;
    for (int e = 0; e < 256; ++e) {
      counts[e] = static_cast<std::uint16_t>(parts[0][e] + parts[1][e] + parts[2][e] + parts[3][e]);
      if (counts[e] > 0) *end++ = static_cast<std::uint8_t>(e);
    }
    const auto kept = std::min<std::ptrdiff_t>(7, end - present);
    std::partial_sort(present, present + kept, end, [&](std::uint8_t a, std::uint8_t b) {
      return counts[a] != counts[b] ? counts[a] > counts[b] : a < b;
    });
    rare = count;
    for (std::ptrdiff_t i = 0; i < kept; ++i) {
      rare -= counts[present[i]];
      exponents[i + 1] = present[i];
      code_of[present[i]] = static_cast<std::uint8_t>(i + 1);
    }
  }
};

// The pairs of a panel, [16 pairs of each block, 16, 2], as codes. False where it has too many rare exponents.
inline bool encode_panel(const bf16* values, Index inputs, std::byte* panel) {
  const CodePanel<std::byte> to(panel, inputs);
  std::byte* far = to.far();
  for (Index slab = 0; slab < to.slabs(); ++slab) {
    const Index units = to.blocks(slab) * CodeUnit::count, room = near_rare * to.blocks(slab);
    const ExponentCodes codes(values, units * CodeUnit::numbers);
    std::memcpy(to.exponents(slab), codes.exponents, sizeof codes.exponents);
    const bool is_near = codes.rare <= room;
    if (!is_near && codes.rare > to.last_rare() - far) return false;
    std::byte* rare = is_near ? to.near(slab) : far;
    const auto place = static_cast<std::uint32_t>(rare - panel);
    const std::uint32_t places[2] = {place, place + static_cast<std::uint32_t>(codes.rare)};
    std::memcpy(to.rare_places(slab), places, sizeof places);
    if (!is_near) far += codes.rare;
    std::byte* at = to.units(slab);
    for (Index unit = 0; unit < units; ++unit, at += CodeUnit::bytes, values += CodeUnit::numbers)
      for (Index first = 0; first < CodeUnit::numbers; first += 8) {
        const bf16* eight = values + CodeUnit::number_at(first);
        std::uint64_t of_eight = 0;
        for (int i = 0; i < 8; ++i) {
          const std::uint8_t exponent = rotated_exponent(eight[i]), code = codes.code_of[exponent];
          of_eight |= static_cast<std::uint64_t>(code) << 8 * i;
          at[CodeUnit::code_bytes + first + i] = static_cast<std::byte>(sign_and_fraction(eight[i]));
          if (code == 0) *rare++ = static_cast<std::byte>(exponent);
        }
        CodeUnit::put_codes(at + first / 8 * 3, of_eight);
      }
  }
  return true;
}

// All pairs of a slab, in the order of bf16 panels.
struct DecodeSlabKernel {
  template <int W>
  VLM_INLINE static void run(const CodePanel<const std::byte>* panel, Index slab, bf16* to) {
    const std::byte *unit = panel->units(slab), *rare = panel->rare(slab),
                    *exponents = panel->exponents(slab);
    for (Index left = panel->blocks(slab) * CodeUnit::count; left > 0; unit += CodeUnit::bytes, --left) {
      if (left % CodeUnit::count == 0) rare = std::min(rare, panel->last_rare());
      std::uint64_t codes[CodeUnit::numbers / 8];
      for (Index eight = 0; eight < CodeUnit::numbers / 8; ++eight)
        codes[eight] = CodeUnit::codes(unit + 3 * eight);
      std::uint8_t of_codes[CodeUnit::numbers];
      VLM_UNROLL for (Index part = 0; part < CodeUnit::numbers; part += 4 * W)
          choose<W>(reinterpret_cast<const std::byte*>(codes) + part, exponents, of_codes + part);
      for (Index eight = 0; eight < CodeUnit::numbers / 8; ++eight)
        // Of seven or less a byte: 127 more has the highest bit unless it is zero.
        for (std::uint64_t zeros = ~(codes[eight] + 0x7f7f7f7f7f7f7f7fu) & 0x8080808080808080u; zeros != 0;
             zeros &= zeros - 1)
          of_codes[8 * eight + __builtin_ctzll(zeros) / 8] = static_cast<std::uint8_t>(*rare++);
      for (Index place = 0; place < CodeUnit::numbers; ++place)
        to[CodeUnit::number_at(place)] =
            joined(static_cast<std::uint8_t>(unit[CodeUnit::code_bytes + place]), of_codes[place]);
      to += CodeUnit::numbers;
    }
  }

 private:
  // One exponent after the other goes where its code is.
  template <int W>
  VLM_INLINE static void choose(const std::byte* codes, const std::byte* exponents, std::uint8_t* to) {
    typedef std::uint8_t Bytes __attribute__((vector_size(4 * W)));
    Bytes of_places, chosen{};
    std::memcpy(&of_places, codes, sizeof of_places);
    VLM_UNROLL for (int code = 1; code < 8; ++code) {
      const Bytes exponent = static_cast<std::uint8_t>(exponents[code]) - Bytes{};
      chosen |= (Bytes)(of_places == static_cast<std::uint8_t>(code)) & exponent;
    }
    std::memcpy(to, &chosen, sizeof chosen);
  }
};

}  // namespace vlm::cpu
