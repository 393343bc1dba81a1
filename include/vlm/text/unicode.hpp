// Unicode as the tokenizer needs it: UTF-8, letters (\p{L}), numbers (\p{N}) and white space (\s).
//
// Bad bytes: each maximal subpart of an ill-formed sequence becomes one U+FFFD (Unicode 3.9, as in the WHATWG
// decoder, Python's "replace" and Rust's from_utf8_lossy).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

#include <vlm/text/unicode_tables.hpp>

namespace vlm {

inline constexpr char32_t replacement_character = 0xFFFD;

enum class Utf8Status : std::uint8_t { Valid, Bad, Incomplete };

// The character at the start of a text. Bad: `size` bytes stand for one U+FFFD. Incomplete: the text ends
// inside a character that further bytes could still complete; so far it is a U+FFFD too.
struct Utf8Character {
  char32_t code_point = replacement_character;
  std::size_t size = 1;
  Utf8Status status = Utf8Status::Bad;
};

namespace detail {

// How many bytes follow a lead byte, and the range of the first of them; this rules out overlong forms,
// surrogates and everything above U+10FFFF.
struct Utf8Lead {
  std::uint8_t following, lowest, highest;
};
inline constexpr Utf8Lead utf8_lead(std::uint8_t byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {1, 0x80, 0xBF};
  if (byte >= 0xE0 && byte <= 0xEF) {
    return {2, static_cast<std::uint8_t>(byte == 0xE0 ? 0xA0 : 0x80),
            static_cast<std::uint8_t>(byte == 0xED ? 0x9F : 0xBF)};
  }
  if (byte >= 0xF0 && byte <= 0xF4) {
    return {3, static_cast<std::uint8_t>(byte == 0xF0 ? 0x90 : 0x80),
            static_cast<std::uint8_t>(byte == 0xF4 ? 0x8F : 0xBF)};
  }
  return {0, 0, 0};
}

// Whether `c` lies in the set whose borders these are.
template <std::size_t N>
constexpr bool inside(const char32_t (&borders)[N], char32_t c) {
  return (std::upper_bound(std::begin(borders), std::end(borders), c) - std::begin(borders)) % 2 != 0;
}

}  // namespace detail

// The first character of `text`, which is not empty.
inline Utf8Character decode_utf8(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  if (byte(0) < 0x80) return {byte(0), 1, Utf8Status::Valid};
  const detail::Utf8Lead lead = detail::utf8_lead(byte(0));
  if (lead.following == 0) return {};
  char32_t code_point = byte(0) & (0x3Fu >> lead.following);
  for (std::size_t i = 1; i <= lead.following; ++i) {
    if (i == text.size()) return {replacement_character, i, Utf8Status::Incomplete};
    const bool fits = i == 1 ? byte(1) >= lead.lowest && byte(1) <= lead.highest : (byte(i) & 0xC0u) == 0x80u;
    if (!fits) return {replacement_character, i, Utf8Status::Bad};
    code_point = code_point << 6 | (byte(i) & 0x3Fu);
  }
  return {code_point, lead.following + std::size_t{1}, Utf8Status::Valid};
}

// The character at `text`, which is known to be valid.
inline Utf8Character decode_valid_utf8(const char* text) {
  const auto byte = [text](std::size_t i) { return char32_t{static_cast<std::uint8_t>(text[i])}; };
  const auto rest = [byte](std::size_t i) { return byte(i) & 0x3Fu; };
  if (byte(0) < 0x80) return {byte(0), 1, Utf8Status::Valid};
  if (byte(0) < 0xE0) return {(byte(0) & 0x1Fu) << 6 | rest(1), 2, Utf8Status::Valid};
  if (byte(0) < 0xF0) return {(byte(0) & 0x0Fu) << 12 | rest(1) << 6 | rest(2), 3, Utf8Status::Valid};
  return {(byte(0) & 0x07u) << 18 | rest(1) << 12 | rest(2) << 6 | rest(3), 4, Utf8Status::Valid};
}

// Appends one character, which is neither a surrogate nor above U+10FFFF.
inline void append_utf8(std::string& text, char32_t c) {
  const auto add = [&text](char32_t byte) { text += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (c < 0x80) {
    add(c);
    return;
  }
  const int following = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  add((0xFF00u >> (following + 1) & 0xFFu) | c >> 6 * following);
  for (int i = following - 1; i >= 0; --i) add(0x80u | (c >> 6 * i & 0x3Fu));
}

// Appends the text with U+FFFD in place of its bad bytes.
inline void append_repaired_utf8(std::string& result, std::string_view text) {
  while (!text.empty()) {
    const Utf8Character next = decode_utf8(text);
    if (next.status == Utf8Status::Valid) {
      result.append(text.substr(0, next.size));
    } else {
      append_utf8(result, replacement_character);
    }
    text.remove_prefix(next.size);
  }
}
inline std::string repair_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  append_repaired_utf8(result, text);
  return result;
}

inline constexpr bool is_letter(char32_t c) { return detail::inside(detail::letter_borders, c); }

inline constexpr bool is_number(char32_t c) { return detail::inside(detail::number_borders, c); }

// The property White_Space: it has U+000B and U+0085, and neither U+180E nor U+FEFF.
inline constexpr bool is_white_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  if (c < 0x1680) return c == 0x85 || c == 0xA0;
  return c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

}  // namespace vlm
