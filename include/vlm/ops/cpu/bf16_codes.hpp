// Slabs of bf16 panels with codes for exponents (weight_blocks.hpp): made once, and decoded for the tiles of
// bf16_tile.hpp. Reading a quarter less is what a single row of activations gains.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include <vlm/ops/cpu/bf16_pairs.hpp>
#include <vlm/ops/cpu/lanes.hpp>
#include <vlm/ops/weight_blocks.hpp>

namespace vlm::cpu {

inline constexpr Index slab_numbers = slab_inputs * panel_outputs;  // of one panel
inline constexpr Index code_slab_bytes = code_slab_head + slab_inputs / block_inputs * code_block_bytes;

// What stands before the codes of a slab. Code 0 is exponent 0, which zeros have; exceptions are zeros among the codes.
struct CodeHead {
  struct Exception {
    std::uint16_t place, bits;

    Index output() const { return place % (2 * panel_outputs) / 2; }
    Index input() const { return place / (2 * panel_outputs) * 2 + place % 2; }
    bf16 value() const {
      bf16 number;
      number.bits = bits;
      return number;
    }
  };
  static constexpr int most_exceptions = 27;

  std::uint8_t exponents[16] = {};
  std::uint16_t count = 0, spare = 0;
  Exception exceptions[most_exceptions];

  // With those exceptions that are there.
  static CodeHead of(const std::byte* slab) {
    constexpr std::size_t before = offsetof(CodeHead, exceptions);
    CodeHead head;
    std::memcpy(static_cast<void*>(&head), slab, before);
    head.count = std::min<std::uint16_t>(head.count, most_exceptions);
    std::memcpy(static_cast<void*>(head.exceptions), slab + before, head.count * sizeof(Exception));
    return head;
  }
  const Exception* begin() const { return exceptions; }
  const Exception* end() const { return exceptions + count; }
  // Another number for a slab; false where there is no room.
  bool add(Index place, bf16 number) {
    if (count == most_exceptions) return false;
    exceptions[count++] = {static_cast<std::uint16_t>(place), number.bits};
    return true;
  }
};
static_assert(sizeof(CodeHead) == code_slab_head);

// Four pairs of inputs, 128 numbers.
struct CodeQuad {
  static constexpr Index numbers = 128, bytes = 192;
  static constexpr Index run = 8;  // numbers whose places follow one another
  // The byte of a number's sign and fraction, which lie behind the 64 bytes of codes; its code is in byte `place % 64`,
  // high where the place is 64 or more.
  static constexpr Index place_of(Index number) {
    const Index pair = number / 32, of_pair = number % 32;
    return pair / 2 * 64 + of_pair / 8 * 16 + pair % 2 * 8 + of_pair % 8;
  }
  static std::uint16_t number(const std::byte* quad, const std::uint8_t* exponents, Index number) {
    const Index place = place_of(number);
    const unsigned both = static_cast<unsigned>(quad[place % 64]),
                   rest = static_cast<unsigned>(quad[64 + place]),
                   exponent = exponents[place < 64 ? both & 15u : both >> 4];
    return static_cast<std::uint16_t>((rest & 0x80u) << 8 | exponent << 7 | (rest & 0x7fu));
  }
};

// Exponent 0 and the 15 most frequent others of a slab, and the code of each; `none` for the rest.
struct ExponentCodes {
  static constexpr std::uint8_t none = 0xff;

  std::uint8_t exponents[16] = {}, code_of[256];

  ExponentCodes(const bf16* values, Index count) {
    // Apart for neighbours: most exponents are equal, and additions to one count wait for each other.
    std::uint16_t parts[4][256] = {}, counts[256];
    for (Index i = 0; i < count; ++i) ++parts[i % 4][exponent_of(values[i])];
    for (int e = 0; e < 256; ++e)
      counts[e] = static_cast<std::uint16_t>(parts[0][e] + parts[1][e] + parts[2][e] + parts[3][e]);
    std::uint8_t present[256];
    std::uint8_t* end = present;
    for (int e = 1; e < 256; ++e)
      if (counts[e] > 0) *end++ = static_cast<std::uint8_t>(e);
    const auto kept = std::min<std::ptrdiff_t>(15, end - present);
    std::partial_sort(present, present + kept, end, [&](std::uint8_t a, std::uint8_t b) {
      return counts[a] != counts[b] ? counts[a] > counts[b] : a < b;
    });
    std::fill_n(code_of, 256, none);
    code_of[0] = 0;
    for (std::ptrdiff_t i = 0; i < kept; ++i) {
      exponents[i + 1] = present[i];
      code_of[present[i]] = static_cast<std::uint8_t>(i + 1);
    }
  }
  static unsigned exponent_of(bf16 value) { return value.bits >> 7 & 0xffu; }
};

// The pairs of a slab, [16 pairs of each block, 16, 2], as codes. False where they have too many exceptions.
inline bool encode_slab(const bf16* values, Index blocks, std::byte* slab) {
  const Index count = blocks * block_inputs * panel_outputs;
  const ExponentCodes codes(values, count);
  CodeHead head;
  std::fill_n(head.exceptions, CodeHead::most_exceptions, CodeHead::Exception{});
  std::copy_n(codes.exponents, 16, head.exponents);
  std::byte* quad = slab + code_slab_head;
  for (Index first = 0; first < count; first += CodeQuad::numbers, quad += CodeQuad::bytes) {
    std::uint8_t of_numbers[CodeQuad::numbers], rest[CodeQuad::numbers], bytes[64];
    for (Index run = 0; run < CodeQuad::numbers; run += CodeQuad::run) {
      const Index place = CodeQuad::place_of(run);
      for (Index i = 0; i < CodeQuad::run; ++i) {
        const bf16 value = values[first + run + i];
        of_numbers[place + i] = codes.code_of[ExponentCodes::exponent_of(value)];
        rest[place + i] = static_cast<std::uint8_t>((value.bits >> 8 & 0x80) | (value.bits & 0x7f));
      }
    }
    if (std::memchr(of_numbers, ExponentCodes::none, sizeof of_numbers))
      for (Index i = 0; i < CodeQuad::numbers; ++i) {
        const Index place = CodeQuad::place_of(i);
        if (of_numbers[place] != ExponentCodes::none) continue;
        if (!head.add(first + i, values[first + i])) return false;
        of_numbers[place] = rest[place] = 0;
      }
    for (int i = 0; i < 64; ++i)
      bytes[i] = static_cast<std::uint8_t>(of_numbers[i] | of_numbers[64 + i] << 4);
    std::memcpy(quad, bytes, sizeof bytes);
    std::memcpy(quad + sizeof bytes, rest, sizeof rest);
  }
  std::memcpy(slab, &head, sizeof head);
  return true;
}

// A panel of bf16 as one of codes.
inline bool encode_panel(const bf16* values, Index inputs, std::byte* panel) {
  for (Index first = 0; first < inputs;
       first += slab_inputs, values += slab_numbers, panel += code_slab_bytes)
    if (!encode_slab(values, blocks_of(std::min(slab_inputs, inputs - first)), panel)) return false;
  return true;
}

// Number `place` of a slab's pairs.
inline bf16 decode_one(const std::byte* slab, Index place) {
  const CodeHead head = CodeHead::of(slab);
  for (const CodeHead::Exception& exception : head)
    if (exception.place == place) return exception.value();
  bf16 value;
  value.bits = CodeQuad::number(slab + code_slab_head + place / CodeQuad::numbers * CodeQuad::bytes,
                                head.exponents, place % CodeQuad::numbers);
  return value;
}

// 4 W bytes of codes, or of what they stand for.
template <int W>
struct CodeBytesOf {
  typedef std::uint8_t Type __attribute__((vector_size(4 * W)));
};
template <int W>
using CodeBytes = typename CodeBytesOf<W>::Type;

// The lower and the upper byte of each code's number, without sign and fraction, in every 16 bytes of a vector.
template <int W>
struct CodeTables {
  CodeBytes<W> lower, upper;

  VLM_INLINE void read(const std::byte* slab) {
    Unsigned<W> exponents;
    VLM_UNROLL for (int i = 0; i < W / 4; ++i)
        std::memcpy(reinterpret_cast<std::byte*>(&exponents) + 16 * i, slab, 16);
    lower = (CodeBytes<W>)(exponents << 7 & 0x80808080u);
    upper = (CodeBytes<W>)(exponents >> 1 & 0x7f7f7f7fu);
  }
};

#if defined(__x86_64__)
// The numbers of half a quad's codes, in 4 W bytes of its places: of a pair, and of the next.
template <int W>
VLM_INLINE_AVX512 void decode_places(CodeBytes<W>& pair, CodeBytes<W>& next, const CodeTables<W>& tables,
                                     const CodeBytes<W>& codes, const std::byte* rest) {
  CodeBytes<W> signs_and_fractions, lower, upper;
  std::memcpy(&signs_and_fractions, rest, sizeof signs_and_fractions);
  asm("vpshufb %2, %1, %0" : "=v"(lower) : "v"(tables.lower), "v"(codes));
  asm("vpshufb %2, %1, %0" : "=v"(upper) : "v"(tables.upper), "v"(codes));
  lower |= signs_and_fractions & 0x7f;
  upper |= signs_and_fractions & 0x80;
  asm("vpunpcklbw %2, %1, %0" : "=v"(pair) : "v"(lower), "v"(upper));
  asm("vpunpckhbw %2, %1, %0" : "=v"(next) : "v"(lower), "v"(upper));
}
#endif

// All pairs of a slab, in the order of bf16 panels, with zeros for exceptions.
struct DecodeSlabKernel {
  template <int W>
  VLM_INLINE static void run(const std::byte* slab, Index blocks, bf16* to) {
    const std::byte* quad = slab + code_slab_head;
    CodeTables<W> tables;
    tables.read(slab);
    for (Index left = 4 * blocks; left > 0; --left, quad += CodeQuad::bytes, to += CodeQuad::numbers)
      VLM_UNROLL for (int part = 0; part < 64; part += 4 * W) {
        CodeBytes<W> codes;
        std::memcpy(&codes, quad + part, sizeof codes);
        decode<W>(tables, slab, codes & 15, quad + 64 + part, to + part / 2);
        decode<W>(tables, slab, (CodeBytes<W>)((Unsigned<W>)codes >> 4) & 15, quad + 128 + part,
                  to + 64 + part / 2);
      }
  }

 private:
  template <int W>
  VLM_INLINE static void decode(const CodeTables<W>& tables, const std::byte* slab, const CodeBytes<W>& codes,
                                const std::byte* rest, bf16* to) {
    CodeBytes<W> pair, next;
#if defined(__x86_64__) && !defined(__clang__)
    if constexpr (W >= 8)
      decode_places<W>(pair, next, tables, codes, rest);
    else
#endif
      choose_places<W>(pair, next, slab, codes, rest);
    std::memcpy(static_cast<void*>(to), &pair, sizeof pair);
    std::memcpy(static_cast<void*>(to + 32), &next, sizeof next);
    (void)tables;
  }
  // The same without instructions that look up: one exponent after the other goes where its code is.
  template <int W>
  VLM_INLINE static void choose_places(CodeBytes<W>& pair, CodeBytes<W>& next, const std::byte* slab,
                                       const CodeBytes<W>& codes, const std::byte* rest) {
    CodeBytes<W> signs_and_fractions, exponents{};
    std::memcpy(&signs_and_fractions, rest, sizeof signs_and_fractions);
    VLM_UNROLL for (int code = 0; code < 16; ++code) {
      const CodeBytes<W> exponent = static_cast<std::uint8_t>(slab[code]) - CodeBytes<W>{};
      exponents |= (CodeBytes<W>)(codes == static_cast<std::uint8_t>(code)) & exponent;
    }
    const CodeBytes<W> lower = (exponents << 7) | (signs_and_fractions & 0x7f),
                       upper = (exponents >> 1) | (signs_and_fractions & 0x80);
    interleave<W, 0>(pair, lower, upper, std::make_integer_sequence<int, 4 * W>{});
    interleave<W, 8>(next, lower, upper, std::make_integer_sequence<int, 4 * W>{});
  }
  // Bytes of both in turn, from `First` on in every 16.
  template <int W, int First, int... Bytes>
  VLM_INLINE static void interleave(CodeBytes<W>& to, const CodeBytes<W>& lower, const CodeBytes<W>& upper,
                                    std::integer_sequence<int, Bytes...>) {
    to = __builtin_shufflevector(lower, upper,
                                 (Bytes / 16 * 16 + First + Bytes % 16 / 2 + (Bytes % 2 ? 4 * W : 0))...);
  }
};

}  // namespace vlm::cpu
