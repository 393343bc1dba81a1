// Normalisation form C (Unicode Standard Annex 15). Most texts have no character that it could touch; of the others
// only the short stretches around such characters are taken apart and put together again. Marks younger than Unicode 9
// stay where they are, as with the reference (the library `tokenizers`), whose ids are the measure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/text/character_classes.hpp>
#include <vlm/text/unicode.hpp>
#include <vlm/text/unicode_tables.hpp>

namespace vlm {

namespace detail {

// Hangul syllables: a leading consonant, a vowel, and possibly a trailing consonant.
namespace hangul {
inline constexpr char32_t syllables = 0xAC00, leads = 0x1100, vowels = 0x1161, before_trails = 0x11A7;
inline constexpr char32_t lead_count = 19, vowel_count = 21, trail_count = 28;  // the first trail is "none"
inline constexpr char32_t syllable_count = lead_count * vowel_count * trail_count;
}  // namespace hangul

inline std::uint8_t combining_class(char32_t c) {
  const auto* next = std::upper_bound(std::begin(combining_class_ranges), std::end(combining_class_ranges), c,
                                      [](char32_t point, const auto& range) { return point < range.first; });
  if (next == std::begin(combining_class_ranges)) return 0;
  const CombiningClassRange& range = *std::prev(next);
  return c <= range.last ? range.combining_class : std::uint8_t{0};
}

template <std::size_t N>
const Decomposition* find_decomposition(const Decomposition (&table)[N], char32_t c) {
  const auto* found =
      std::lower_bound(std::begin(table), std::end(table), c,
                       [](const Decomposition& entry, char32_t point) { return entry.composed < point; });
  return found != std::end(table) && found->composed == c ? found : nullptr;
}

template <std::size_t N>
char32_t ideograph(const char32_t (&targets)[N], char32_t first, char32_t c) {
  return c >= first && c - first < N ? targets[c - first] : 0;
}

// Appends the full canonical decomposition of `c`, in the order of the table.
inline void decompose(char32_t c, std::vector<char32_t>& result) {
  using namespace hangul;
  if (c < 0xC0) {
    result.push_back(c);
  } else if (c >= syllables && c - syllables < syllable_count) {
    const char32_t index = c - syllables, trail = index % trail_count;
    result.push_back(leads + index / (vowel_count * trail_count));
    result.push_back(vowels + index / trail_count % vowel_count);
    if (trail != 0) result.push_back(before_trails + trail);
  } else if (const char32_t target =
                 ideograph(ideographs_f900, 0xF900, c) | ideograph(ideographs_2f800, 0x2F800, c)) {
    result.push_back(target);
  } else {
    const Decomposition* parts = find_decomposition(composing_pairs, c);
    if (!parts) parts = find_decomposition(one_way, c);
    if (!parts) return result.push_back(c);
    decompose(parts->first, result);
    if (parts->second != 0) decompose(parts->second, result);
  }
}

// The composing pairs in the order of their parts. A function of its own, and not constexpr: g++ tries at every inclusion
// to work out at compile time what a static begins with.
inline std::vector<Decomposition> sort_by_parts() {
  std::vector<Decomposition> pairs(std::begin(composing_pairs), std::end(composing_pairs));
  std::sort(pairs.begin(), pairs.end(), [](const Decomposition& a, const Decomposition& b) {
    return a.first != b.first ? a.first < b.first : a.second < b.second;
  });
  return pairs;
}
inline const std::vector<Decomposition>& pairs_by_parts() {
  static const std::vector<Decomposition> sorted = sort_by_parts();
  return sorted;
}

// What the two compose into, or zero.
inline char32_t compose(char32_t first, char32_t second) {
  using namespace hangul;
  if (first - leads < lead_count && second - vowels < vowel_count)
    return syllables + ((first - leads) * vowel_count + (second - vowels)) * trail_count;
  if (first - syllables < syllable_count && (first - syllables) % trail_count == 0 &&
      second > before_trails && second < before_trails + trail_count)
    return first + (second - before_trails);
  const auto& pairs = pairs_by_parts();
  const auto found = std::lower_bound(pairs.begin(), pairs.end(), 0, [&](const Decomposition& pair, int) {
    return pair.first != first ? pair.first < first : pair.second < second;
  });
  return found != pairs.end() && found->first == first && found->second == second ? found->composed : 0;
}

// Canonical ordering: runs of combining characters by their class, equal classes as they stand.
inline void order_marks(std::vector<char32_t>& text) {
  struct Mark {
    std::uint64_t key;  // class, then place
    char32_t character;
  };
  const auto starter = [](char32_t c) { return combining_class(c) == 0; };
  std::vector<Mark> marks;
  for (auto run = text.begin(); run != text.end();) {
    run = std::find_if_not(run, text.end(), starter);
    const auto end = std::find_if(run, text.end(), starter);
    marks.clear();
    for (auto at = run; at != end; ++at)
      marks.push_back(
          {std::uint64_t{combining_class(*at)} << 32 | static_cast<std::uint64_t>(at - run), *at});
    std::sort(marks.begin(), marks.end(), [](const Mark& a, const Mark& b) { return a.key < b.key; });
    for (const Mark& mark : marks) *run++ = mark.character;
  }
}

// Canonical composition in place: each character joins the last starter unless one of the same or a higher
// class stands between them.
inline void compose_all(std::vector<char32_t>& text) {
  std::size_t size = 0, starter = text.size();  // no starter yet
  std::uint8_t class_between = 0;
  bool adjacent = false;
  for (const char32_t c : text) {
    const std::uint8_t own = combining_class(c);
    if (starter < size && (adjacent || class_between < own)) {
      if (const char32_t composed = compose(text[starter], c)) {
        text[starter] = composed;
        continue;
      }
    }
    if (own == 0) starter = size;
    adjacent = own == 0;
    class_between = own;
    text[size++] = c;
  }
  text.resize(size);
}

// How many bytes of ASCII the text begins with, in steps of eight.
inline std::size_t ascii_size(std::string_view text) {
  std::size_t at = 0;
  for (std::uint64_t eight = 0; at + 8 <= text.size(); at += 8) {
    std::memcpy(&eight, text.data() + at, 8);
    if ((eight & 0x8080808080808080u) != 0) break;
  }
  return at;
}

// How many bytes the text begins with that are valid UTF-8 without a character that normalisation could touch.
inline std::size_t settled_size(std::string_view text) {
  const CharacterClasses& classes = CharacterClasses::table();
  for (std::size_t at = 0;;) {
    at += ascii_size(text.substr(at));
    while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
    for (; at < text.size() && static_cast<unsigned char>(text[at]) >= 0x80;) {
      const Utf8Character next = decode_utf8(text.substr(at));
      if (next.status != Utf8Status::Valid || classes.is_unsettled(next.code_point)) return at;
      at += next.size;
    }
    if (at == text.size()) return at;
  }
}

// Where the last character of a valid text begins; zero for none.
inline std::size_t last_character(std::string_view text) {
  const auto continues = [text](std::size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xC0u) == 0x80u;
  };
  std::size_t at = text.size() - !text.empty();
  while (at > 0 && continues(at)) --at;
  return at;
}

}  // namespace detail

// Whether the text is valid UTF-8 in normalisation form C, as far as a quick look can tell: "no" may be wrong.
inline bool is_settled(std::string_view text) { return detail::settled_size(text) == text.size(); }

// Normalisation form C; bad bytes become U+FFFD.
inline std::string to_nfc(std::string_view text) {
  const CharacterClasses& classes = CharacterClasses::table();
  std::string result;
  result.reserve(text.size());
  std::vector<char32_t> stretch;
  while (!text.empty()) {
    // Nothing reaches across the beginning of a settled character, so a stretch is one with the unsettled after it.
    const std::size_t settled = detail::settled_size(text);
    std::size_t at = settled == text.size() ? settled : detail::last_character(text.substr(0, settled));
    result.append(text.substr(0, at));
    stretch.clear();
    for (; at < text.size();) {
      const Utf8Character next = decode_utf8(text.substr(at));
      const bool touches = next.status == Utf8Status::Valid && classes.is_unsettled(next.code_point);
      if (!stretch.empty() && !touches) break;
      detail::decompose(next.code_point, stretch);
      at += next.size;
    }
    text.remove_prefix(at);
    detail::order_marks(stretch);
    detail::compose_all(stretch);
    for (const char32_t c : stretch) append_utf8(result, c);
  }
  return result;
}

}  // namespace vlm
