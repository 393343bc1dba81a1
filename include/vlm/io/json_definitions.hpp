// Definitions of parse_json and write_json on nlohmann-json's scanner, which knows JSON's tokens and UTF-8, and on its writer
// of numbers. The rest of that library is not included: g++ would instantiate its parsers in every program, used or not. A
// program that has the library as a single file, another version than the one that is installed, defines VLM_WHOLE_JSON=1.
// Only vlm.hpp (or one file of the compiled library) includes this header.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#if !VLM_WHOLE_JSON && !defined(INCLUDE_NLOHMANN_JSON_HPP_) && __has_include(<nlohmann/detail/input/lexer.hpp>)
#include <nlohmann/detail/conversions/to_chars.hpp>
#include <nlohmann/detail/input/lexer.hpp>
#else
#include <nlohmann/json.hpp>
#endif

#include <vlm/io/json.hpp>

namespace vlm::detail {

// "line 3, column 14" of the character before `end`; columns count characters, not bytes.
inline std::string line_and_column(std::string_view text, std::size_t end) {
  std::size_t line = 1, column = 0;
  bool new_line = false;
  for (char c : text.substr(0, end)) {
    if (new_line) ++line, column = 0;
    new_line = c == '\n';
    column += (static_cast<unsigned char>(c) & 0xc0u) != 0x80u;
  }
  return "line " + std::to_string(line) + ", column " + std::to_string(column == 0 ? 1 : column);
}

// Printable ASCII only: the text of a broken file may be broken too.
inline std::string printable(std::string_view text) {
  std::string result;
  for (char c : text) result += (c >= ' ' && c < '\x7f') ? c : '?';
  return result;
}

// What the scanner reads, and the types in which it gives values.
struct JsonCharacters {
  using char_type = char;

  const char *next, *end;

  int get_character() { return next == end ? end_of_text : static_cast<unsigned char>(*next++); }

 private:
  static constexpr int end_of_text = std::char_traits<char>::eof();
};
struct JsonNumbers {
  using number_integer_t = std::int64_t;
  using number_unsigned_t = std::uint64_t;
  using number_float_t = double;
  using string_t = std::string;
};
using JsonScanner = nlohmann::detail::lexer<JsonNumbers, JsonCharacters>;

inline JsonScanner scan_json(std::string_view text) {
  return JsonScanner(JsonCharacters{text.data(), text.data() + text.size()});
}

// Values of a text, by recursive descent. A value's function begins at its first token and ends at its last.
class JsonReader {
 public:
  JsonReader(std::string_view text, std::string_view document)
      : text_(text), document_(document), scanner_(scan_json(text)) {
    key_ends_.reserve(16);
  }

  Json read() {
    const std::size_t zero = text_.find('\0');
    if (zero != text_.npos) fail(zero + 1, "text", "a zero byte");
    scan();
    Json root = value();
    scan();
    require(Token::end_of_input);
    return root;
  }

 private:
  using Token = JsonScanner::token_type;
  static constexpr std::size_t depth_limit = 256;

  Token scan() { return token_ = scanner_.scan(); }
  std::size_t position() const { return scanner_.get_position().chars_read_total; }

  Json value() {
    switch (token_) {
      case Token::literal_null:
        return Json();
      case Token::literal_true:
        return Json(true);
      case Token::literal_false:
        return Json(false);
      case Token::value_integer:
        return Json(static_cast<std::int64_t>(scanner_.get_number_integer()));
      case Token::value_unsigned:
        return integer(scanner_.get_number_unsigned());
      case Token::value_float:
        if (!std::isfinite(scanner_.get_number_float()))
          refuse("JSON in UTF-8", "number overflow parsing '" + scanner_.get_token_string() + "'");
        return Json(scanner_.get_number_float());
      case Token::value_string:
        // A copy: the scanner goes on with its buffer.
        return Json(std::string_view(scanner_.get_string()));
      case Token::begin_array:
        return array();
      case Token::begin_object:
        return object();
      case Token::parse_error:
        refuse_token("JSON in UTF-8");
      default:
        refuse_token(JsonScanner::token_type_name(Token::literal_or_value));
    }
  }

  static Json integer(std::uint64_t value) {
    const bool fits = value <= static_cast<std::uint64_t>(INT64_MAX);
    return fits ? Json(static_cast<std::int64_t>(value)) : Json(static_cast<double>(value));
  }

  Json array() {
    enter();
    std::vector<Json> items;
    if (scan() != Token::end_array) {
      items.push_back(value());
      while (scan() == Token::value_separator) {
        scan();
        items.push_back(value());
      }
      require(Token::end_array);
    }
    --depth_;
    return Json::array(std::move(items));
  }

  Json object() {
    enter();
    std::vector<Json::Member> members;
    const std::size_t keys_before = key_ends_.size();
    if (scan() != Token::end_object) {
      members.reserve(2);
      read_member(members);
      while (scan() == Token::value_separator) {
        scan();
        read_member(members);
      }
      require(Token::end_object);
    }
    refuse_duplicates(members);
    key_ends_.resize(keys_before);
    --depth_;
    return Json::object(std::move(members));
  }

  void read_member(std::vector<Json::Member>& members) {
    require(Token::value_string);
    members.emplace_back(scanner_.get_string(), Json());
    key_ends_.push_back(position());
    scan();
    require(Token::name_separator);
    scan();
    members.back().second = value();
  }

  void enter() {
    if (++depth_ > depth_limit) refuse("at most 256 levels of nesting", "one more");
  }

  void refuse_duplicates(const std::vector<Json::Member>& members) const {
    constexpr std::size_t few = 8;  // that are compared with each other; more have a set, which allocates
    if (members.size() < 2) return;
    const auto refuse_key = [&](std::size_t i) {
      fail(key_ends_[key_ends_.size() - members.size() + i], "each key once",
           "the key \"" + printable(members[i].first) + "\" again");
    };
    if (members.size() <= few) {
      for (std::size_t i = 1; i < members.size(); ++i)
        for (std::size_t k = 0; k < i; ++k)
          if (members[k].first == members[i].first) refuse_key(i);
      return;
    }
    std::unordered_set<std::string_view> seen(members.size() * 2);
    for (std::size_t i = 0; i < members.size(); ++i)
      if (!seen.insert(members[i].first).second) refuse_key(i);
  }

  void require(Token token) const {
    if (token_ != token) refuse_token(JsonScanner::token_type_name(token));
  }
  [[noreturn]] void refuse_token(std::string_view expected) const {
    if (token_ != Token::parse_error)
      refuse(expected, std::string("unexpected ") + JsonScanner::token_type_name(token_));
    // The scanner's own sentence may say what it wished for.
    std::string_view reason = scanner_.get_error_message();
    constexpr std::string_view wish = "; expected ";
    if (const std::size_t at = reason.find(wish); at != reason.npos) {
      expected = reason.substr(at + wish.size());
      reason = reason.substr(0, at);
    }
    refuse(expected, std::string(reason) + "; last read: '" + scanner_.get_token_string() + "'");
  }

  [[noreturn]] void refuse(std::string_view expected, std::string_view got) const {
    fail(position(), expected, got);
  }
  [[noreturn]] void fail(std::size_t end, std::string_view expected, std::string_view got) const {
    throw FileError("json-syntax",
                    {{"file", std::string(document_)},
                     {"at", line_and_column(text_, end)},
                     {"expected", printable(expected)},
                     {"got", printable(got)},
                     {"try", "correct the text, or fetch the file again if it was cut short"}});
  }

  std::string_view text_;
  std::string_view document_;
  JsonScanner scanner_;
  Token token_ = Token::uninitialized;
  std::size_t depth_ = 0;
  std::vector<std::size_t> key_ends_;  // of all members of the open objects
};

template <class>
Json parse_json(std::string_view text, std::string_view document) {
  Json value = JsonReader(text, document).read();
  value.locate(std::make_shared<const std::string>(document), "");
  return value;
}

class JsonWriter {
 public:
  explicit JsonWriter(int indent) : indent_(indent) {}

  void write(const Json& value, std::size_t depth) {
    switch (value.kind()) {
      case Json::Kind::Null:
        text_ += "null";
        break;
      case Json::Kind::Bool:
        text_ += value.boolean() ? "true" : "false";
        break;
      case Json::Kind::Integer:
        text_ += std::to_string(value.integer());
        break;
      case Json::Kind::Number:
        write_number(value);
        break;
      case Json::Kind::String:
        write_string(value, value.string());
        break;
      case Json::Kind::Array:
        write_array(value, depth);
        break;
      case Json::Kind::Object:
        write_object(value, depth);
        break;
    }
  }
  std::string take() { return std::move(text_); }

 private:
  void write_number(const Json& value) {
    if (!std::isfinite(value.number())) refuse(value, "a finite number", kind_and_value(value));
    // As Python does, which turns to exponents one power of ten later than the library.
    const double size = std::fabs(value.number());
    if (size < 1e15 || size >= 1e16) {
      char digits[64];
      text_.append(digits, nlohmann::detail::to_chars(digits, digits + sizeof digits, value.number()));
    } else {
      char digits[32];
      text_.append(
          digits,
          std::to_chars(digits, digits + sizeof digits, value.number(), std::chars_format::fixed, 1).ptr);
    }
  }

  void write_string(const Json& value, std::string_view string) {
    const std::size_t begin = text_.size();
    bool ascii = true;
    text_ += '"';
    for (const char c : string) {
      ascii = ascii && static_cast<unsigned char>(c) < 0x80;
      const std::size_t known = std::string_view("\"\\\b\f\n\r\t").find(c);
      if (known != std::string_view::npos) {
        text_ += '\\';
        text_ += "\"\\bfnrt"[known];
      } else if (static_cast<unsigned char>(c) < 0x20) {
        char escape[8];
        text_.append(escape, static_cast<std::size_t>(std::snprintf(escape, sizeof escape, "\\u%04x", c)));
      } else {
        text_ += c;
      }
    }
    text_ += '"';
    // Whoever reads the text would refuse what is not UTF-8.
    if (!ascii &&
        scan_json(std::string_view(text_).substr(begin)).scan() != JsonScanner::token_type::value_string)
      refuse(value, "text in UTF-8", "\"" + printable(string) + "\"");
  }

  void write_array(const Json& value, std::size_t depth) {
    text_ += '[';
    bool first = true;
    for (const Json& item : value.items()) {
      separate(first, depth + 1);
      write(item, depth + 1);
    }
    finish(first, depth, ']');
  }

  void write_object(const Json& value, std::size_t depth) {
    text_ += '{';
    bool first = true;
    for (const auto& [key, member] : value.members()) {
      separate(first, depth + 1);
      write_string(value, key);
      text_ += indent_ == 0 ? ":" : ": ";
      write(member, depth + 1);
    }
    finish(first, depth, '}');
  }

  void separate(bool& first, std::size_t depth) {
    if (!first) text_ += indent_ < 0 ? ", " : ",";
    if (indent_ > 0) new_line(depth);
    first = false;
  }
  void finish(bool empty, std::size_t depth, char bracket) {
    if (indent_ > 0 && !empty) new_line(depth);
    text_ += bracket;
  }
  void new_line(std::size_t depth) {
    text_ += '\n';
    text_.append(depth * static_cast<std::size_t>(indent_), ' ');
  }

  [[noreturn]] static void refuse(const Json& value, std::string_view expected, std::string got) {
    throw ConfigError("json-type", {{"file", value.document()},
                                    {"at", value.path()},
                                    {"expected", std::string(expected)},
                                    {"got", std::move(got)},
                                    {"try", "JSON cannot hold this value; leave it out or replace it"}});
  }

  std::string text_;
  int indent_;
};

template <class>
std::string write_json(const Json& value, int indent) {
  JsonWriter writer(indent);
  writer.write(value, 0);
  return writer.take();
}

}  // namespace vlm::detail
