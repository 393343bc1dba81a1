// The quick way through a tokenizer.json: one pass reads the vocabulary and the merges, which are nearly all of it,
// where they are written plainly, as the reference writes them: tokens in the order of their ids, no \u escapes. The
// rest goes through io/json.hpp. Of anything else nothing is read here, and the whole file goes through io/json.hpp,
// which also words the errors; the result is the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/io/json.hpp>
#include <vlm/text/byte_pairs.hpp>
#include <vlm/text/token_table.hpp>
#include <vlm/text/tokenizer_json.hpp>

namespace vlm {

namespace detail {

// Members that return bool give false where the file is not plain.
class PlainTokenizerReader {
 public:
  explicit PlainTokenizerReader(std::string_view text) : text_(text) {}

  std::optional<TokenizerDefinition> read(std::string_view document) {
    if (!read_members([this](std::string_view key) { return key == "model" ? read_model() : skip_value(); }))
      return std::nullopt;
    rest_.append(text_.substr(copied_));
    if (!seen_vocabulary_ || !seen_merges_ || !has_all_bytes()) return std::nullopt;
    try {
      const Json rest = parse_json(rest_, document);
      return TokenizerReader(rest).read_around(std::move(tokens_), std::move(merges_));
    } catch (const Error&) {
      return std::nullopt;
    }
  }

 private:
  bool read_model() {
    return read_members([this](std::string_view key) {
      if (key == "vocab" && !seen_vocabulary_) return read_part([this] { return read_vocabulary(); }, "{}");
      if (key == "merges" && seen_vocabulary_ && !seen_merges_)
        return read_part([this] { return read_merges(); }, "[]");
      return skip_value();
    });
  }

  // Reads a part that stands in the rest as an empty container.
  template <class Reader>
  bool read_part(Reader&& read, std::string_view empty) {
    rest_.append(text_.substr(copied_, at_ - copied_)).append(empty);
    if (!read()) return false;
    copied_ = at_;
    return true;
  }

  bool read_vocabulary() {
    seen_vocabulary_ = true;
    tokens_.reserve(text_.size() / 64);
    if (!take('{')) return false;
    do {
      std::string& token = tokens_.emplace_back();
      if (!read_token(token, '"') || !take(':') || !take_number(tokens_.size() - 1)) return false;
    } while (take(','));
    if (!take('}')) return false;
    table_ = TokenTable(tokens_.size());
    for (std::size_t id = 0; id < tokens_.size(); ++id)
      if (table_.add(tokens_, static_cast<std::int32_t>(id)) >= 0) return false;
    return true;
  }

  bool read_merges() {
    seen_merges_ = true;
    merges_.reserve(tokens_.size());
    if (!take('[')) return false;
    do {
      left_.clear();
      right_.clear();
      if (take('[')) {
        if (!read_token(left_, '"') || !take(',') || !read_token(right_, '"') || !take(']')) return false;
      } else if (!read_token(left_, ' ') || !read_rest_of_token(right_, '"')) {
        return false;
      }
      const std::int32_t left = table_.find(tokens_, left_).id, right = table_.find(tokens_, right_).id;
      if (left < 0 || right < 0) return false;
      const std::int32_t result = find_result(left_ += right_);
      if (result < 0) return false;
      merges_.push_back({left, right, result});
    } while (take(','));
    return take(']');
  }

  // The token with this text. Most vocabularies have the bytes and then one token for each merge.
  std::int32_t find_result(const std::string& text) const {
    const std::size_t usual = 256 + merges_.size();
    if (usual < tokens_.size() && tokens_[usual] == text) return static_cast<std::int32_t>(usual);
    return table_.find(tokens_, text).id;
  }

  bool has_all_bytes() const {
    for (const char byte : alphabet_.bytes_in_order())
      if (table_.find(tokens_, {&byte, 1}).id < 0) return false;
    return true;
  }

  // { "key": value, ... }
  template <class ReadValue>
  bool read_members(ReadValue&& read_value) {
    if (!take('{')) return false;
    do {
      skip_space();
      const std::size_t begin = at_ + 1;
      if (!skip_string()) return false;
      const std::string_view key = text_.substr(begin, at_ - 1 - begin);
      if (!take(':')) return false;
      skip_space();
      if (!read_value(key)) return false;
    } while (take(','));
    return take('}');
  }

  // A string in the byte-level alphabet up to `end`: appends the bytes it stands for, which are at least one.
  bool read_token(std::string& bytes, char end) { return take('"') && read_rest_of_token(bytes, end); }

  bool read_rest_of_token(std::string& bytes, char end) {
    while (at_ < text_.size()) {
      auto c = static_cast<unsigned char>(text_[at_++]);
      if (c == static_cast<unsigned char>(end)) return !bytes.empty();
      char32_t character = c;
      if (c == '\\') {
        if (at_ == text_.size() || (text_[at_] != '"' && text_[at_] != '\\')) return false;
        character = static_cast<unsigned char>(text_[at_++]);
      } else if (c == '"') {
        return false;
      } else if (c >= 0x80) {  // two bytes reach as far as the alphabet
        if (c < 0xC2 || c > 0xC5 || at_ == text_.size()) return false;
        const auto next = static_cast<unsigned char>(text_[at_++]);
        if ((next & 0xC0u) != 0x80u) return false;
        character = (c & 0x1Fu) << 6 | (next & 0x3Fu);
      }
      const int byte = alphabet_.to_byte(character);
      if (byte < 0) return false;
      bytes += static_cast<char>(static_cast<unsigned char>(byte));
    }
    return false;
  }

  // The number `wanted`, in its usual spelling.
  bool take_number(std::size_t wanted) {
    skip_space();
    const std::size_t begin = at_;
    std::size_t number = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9' && at_ - begin < 10)
      number = number * 10 + static_cast<std::size_t>(text_[at_++] - '0');
    return at_ > begin && (text_[begin] != '0' || at_ == begin + 1) && number == wanted;
  }

  bool skip_string() {
    if (at_ == text_.size() || text_[at_] != '"') return false;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') return ++at_, true;
      if (text_[at_] == '\\') ++at_;
    }
    return false;
  }

  // To the comma or bracket after a value; whether it is one is seen when the rest is parsed.
  bool skip_value() {
    for (std::size_t depth = 0; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (depth == 0 && (c == ',' || c == '}' || c == ']')) return true;
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      if (c != '"') continue;
      if (!skip_string()) return false;
      --at_;
    }
    return false;
  }

  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }

  bool take(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string rest_;        // the file with empty containers for what was read here
  std::size_t copied_ = 0;  // how far the text went into the rest
  bool seen_vocabulary_ = false, seen_merges_ = false;
  std::vector<std::string> tokens_;
  std::vector<Merge> merges_;
  std::string left_, right_;  // of the merge being read
  TokenTable table_;
  ByteAlphabet alphabet_;
};

}  // namespace detail

// Reads the text of a tokenizer.json; `document` names it in errors, which are those of parse_json and
// tokenizer_from_json.
inline TokenizerDefinition read_tokenizer_json(std::string_view text, std::string_view document) {
  if (auto plain = detail::PlainTokenizerReader(text).read(document)) return *std::move(plain);
  return tokenizer_from_json(parse_json(text, document));
}

}  // namespace vlm
