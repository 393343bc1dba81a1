// Unicode as the tokenizer needs it: UTF-8, letters (\p{L}), numbers (\p{N}), white space (\s), and
// normalisation form C (Unicode Standard Annex 15).
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
#include <vector>

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

// The text with U+FFFD in place of its bad bytes.
inline std::string repair_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const Utf8Character next = decode_utf8(text);
    if (next.status == Utf8Status::Valid) {
      result.append(text.substr(0, next.size));
    } else {
      append_utf8(result, replacement_character);
    }
    text.remove_prefix(next.size);
  }
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

// The composing pairs in the order of their parts.
inline const std::vector<Decomposition>& pairs_by_parts() {
  static const std::vector<Decomposition> sorted = [] {
    std::vector<Decomposition> pairs(std::begin(composing_pairs), std::end(composing_pairs));
    std::sort(pairs.begin(), pairs.end(), [](const Decomposition& a, const Decomposition& b) {
      return a.first != b.first ? a.first < b.first : a.second < b.second;
    });
    return pairs;
  }();
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

// Whether the text is valid UTF-8 without any character that normalisation could touch.
inline bool is_settled(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Utf8Character next = decode_utf8(text.substr(at));
    if (next.status != Utf8Status::Valid) return false;
    if (next.code_point >= 0x300 && inside(unsettled_borders, next.code_point)) return false;
    at += next.size;
  }
  return true;
}

}  // namespace detail

// Normalisation form C; bad bytes become U+FFFD.
inline std::string to_nfc(std::string_view text) {
  if (detail::is_settled(text)) return std::string(text);
  std::vector<char32_t> characters;
  characters.reserve(text.size());
  while (!text.empty()) {
    const Utf8Character next = decode_utf8(text);
    detail::decompose(next.code_point, characters);
    text.remove_prefix(next.size);
  }
  detail::order_marks(characters);
  detail::compose_all(characters);
  std::string result;
  for (const char32_t c : characters) append_utf8(result, c);
  return result;
}

}  // namespace vlm
