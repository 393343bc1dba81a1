// The pre-tokenizer of the Qwen2 family, a scanner for one regular expression: it cuts a text into pieces
// inside which byte pairs may merge. It takes time linear in the text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <vlm/text/character_classes.hpp>
#include <vlm/text/unicode.hpp>

namespace vlm {

// The expression that the scanner stands for. Combining marks are not letters here.
inline constexpr std::string_view qwen2_split_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

namespace detail {

inline constexpr std::array<CharacterClass, 128> ascii_classes = [] {
  std::array<CharacterClass, 128> table{};
  for (char32_t c = 0; c < 128; ++c) table[c] = character_class(c);
  return table;
}();

// One character of the text under the scanner.
struct ScannedCharacter {
  CharacterClass kind;
  std::size_t end;  // where the next character begins
};

class PieceScanner {
 public:
  explicit PieceScanner(std::string_view text) : text_(text), classes_(CharacterClasses::table()) {}

  // The end of the piece that begins at `begin`, which is less than the size of the text.
  std::size_t piece_end(std::size_t begin) const {
    using enum CharacterClass;
    if (const std::size_t size = contraction(text_.substr(begin))) return begin + size;
    const ScannedCharacter first = at(begin);
    if (first.kind == Letter) return skip(Letter, first.end);
    if (first.kind == Number) return first.end;
    const bool more = first.end < text_.size();
    const ScannedCharacter second = more ? at(first.end) : first;
    if (more && first.kind != NewLine && second.kind == Letter) return skip(Letter, second.end);
    if (first.kind == Other) return skip(NewLine, skip(Other, first.end));
    if (more && text_[begin] == ' ' && second.kind == Other) return skip(NewLine, skip(Other, second.end));
    return white_space_end(begin);
  }

 private:
  ScannedCharacter at(std::size_t begin) const {
    const auto byte = static_cast<unsigned char>(text_[begin]);
    if (byte < 0x80) return {ascii_classes[byte], begin + 1};
    const Utf8Character next = decode_valid_utf8(text_.data() + begin);
    return {classes_.of(next.code_point), begin + next.size};
  }

  std::size_t skip(CharacterClass kind, std::size_t from) const {
    while (from < text_.size()) {
      const ScannedCharacter next = at(from);
      if (next.kind != kind) break;
      from = next.end;
    }
    return from;
  }

  // White space up to its last line break; without one all of it, but for the last character when more text
  // follows, which belongs to that text.
  std::size_t white_space_end(std::size_t begin) const {
    std::size_t end = begin, last = begin, line_end = begin;
    while (end < text_.size()) {
      const ScannedCharacter next = at(end);
      if (next.kind != CharacterClass::Space && next.kind != CharacterClass::NewLine) break;
      last = end;
      end = next.end;
      if (next.kind == CharacterClass::NewLine) line_end = end;
    }
    if (line_end > begin) return line_end;
    return end == text_.size() || last == begin ? end : last;
  }

  // The size of 's, 't, 're, 've, 'm, 'll or 'd in any case at the start of `text`, or zero.
  // U+017F folds to s.
  static std::size_t contraction(std::string_view text) {
    if (text.size() < 2 || text[0] != '\'') return 0;
    const auto lower = [text](std::size_t i) {
      return i < text.size() ? static_cast<char>(text[i] | 0x20) : '\0';
    };
    switch (lower(1)) {
      case 's':
      case 't':
      case 'm':
      case 'd':
        return 2;
      case 'r':
      case 'v':
        return lower(2) == 'e' ? 3 : 0;
      case 'l':
        return lower(2) == 'l' ? 3 : 0;
      default:
        return text.substr(1).starts_with("\u017F") ? 3 : 0;
    }
  }

  std::string_view text_;
  const CharacterClasses& classes_;
};

}  // namespace detail

// Calls visit(piece) for each piece of `text`, which is valid UTF-8, from left to right; together
// they are the text.
template <class Visit>
void for_each_piece(std::string_view text, Visit&& visit) {
  const detail::PieceScanner scanner(text);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = scanner.piece_end(begin);
    visit(text.substr(begin, end - begin));
    begin = end;
  }
}

}  // namespace vlm
