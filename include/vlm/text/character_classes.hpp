// What the tokenizer asks of every character, in one look-up: its class for the pre-tokenizer, and whether
// normalisation could touch it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

#include <vlm/text/unicode.hpp>

namespace vlm {

enum class CharacterClass : std::uint8_t { Letter, Number, Space, NewLine, Other };

inline constexpr CharacterClass character_class(char32_t c) {
  if (c == '\r' || c == '\n') return CharacterClass::NewLine;
  if (is_white_space(c)) return CharacterClass::Space;
  if (is_letter(c)) return CharacterClass::Letter;
  return is_number(c) ? CharacterClass::Number : CharacterClass::Other;
}

// A table of the characters below U+20000, which are almost all of any text; it is made when first asked for.
class CharacterClasses {
 public:
  static const CharacterClasses& table() {
    static const CharacterClasses made;
    return made;
  }

  CharacterClass of(char32_t c) const {
    return c < size ? static_cast<CharacterClass>(entries_[c] & class_bits) : character_class(c);
  }
  bool is_unsettled(char32_t c) const {
    return c < size ? (entries_[c] & unsettled_bit) != 0 : detail::inside(detail::unsettled_borders, c);
  }

 private:
  static constexpr char32_t size = 0x20000;
  static constexpr std::uint8_t class_bits = 7, unsettled_bit = 8;

  CharacterClasses() : entries_(size, static_cast<std::uint8_t>(CharacterClass::Other)) {
    const auto class_entry = [](CharacterClass kind) {
      return [kind](std::uint8_t& entry) { entry = static_cast<std::uint8_t>(kind); };
    };
    for_each(detail::letter_borders, class_entry(CharacterClass::Letter));
    for_each(detail::number_borders, class_entry(CharacterClass::Number));
    for (char32_t c = 0; c <= 0x3000; ++c)
      if (is_white_space(c)) entries_[c] = static_cast<std::uint8_t>(character_class(c));
    for_each(detail::unsettled_borders, [](std::uint8_t& entry) { entry |= unsettled_bit; });
  }

  template <std::size_t N, class Change>
  void for_each(const char32_t (&borders)[N], Change change) {
    for (std::size_t i = 0; i + 1 < N; i += 2)
      for (char32_t c = borders[i]; c < std::min(borders[i + 1], size); ++c) change(entries_[c]);
  }

  std::vector<std::uint8_t> entries_;
};

}  // namespace vlm
