// Definitions of parse_json and write_json: nlohmann-json's scanner drives a builder of our own values.
// Only vlm.hpp (or one file of the compiled library) includes this header.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

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

// Reads characters and tells how far it came: the scanner's callbacks do not say where they are.
struct CountingIterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* next;
  const char** furthest;

  reference operator*() const { return *next; }
  CountingIterator& operator++() {
    *furthest = ++next;
    return *this;
  }
  bool operator==(const CountingIterator& other) const { return next == other.next; }
  bool operator!=(const CountingIterator& other) const { return next != other.next; }
};

// Builds values from the scanner's events; a callback that returns false or throws ends the parse.
class JsonBuilder {
 public:
  JsonBuilder(std::string_view text, std::string_view document) : text_(text), document_(document) {
    open_.reserve(8);
    key_ends_.reserve(16);
  }

  Json parse() {
    const std::size_t zero = text_.find('\0');
    if (zero != text_.npos) fail(zero + 1, "text", "a zero byte");
    const char* end = text_.data() + text_.size();
    nlohmann::json::sax_parse(CountingIterator{text_.data(), &furthest_}, CountingIterator{end, &furthest_},
                              this);
    return std::move(root_);
  }

  bool null() { return add(Json()); }
  bool boolean(bool value) { return add(Json(value)); }
  bool number_integer(std::int64_t value) { return add(Json(value)); }
  bool number_unsigned(std::uint64_t value) {
    const bool fits = value <= static_cast<std::uint64_t>(INT64_MAX);
    return add(fits ? Json(static_cast<std::int64_t>(value)) : Json(static_cast<double>(value)));
  }
  bool number_float(double value, const std::string&) { return add(Json(value)); }
  // A copy: the scanner goes on with its buffer.
  bool string(std::string& value) { return add(Json(std::string_view(value))); }
  bool binary(nlohmann::json::binary_t&) { return false; }

  bool start_object(std::size_t) { return open(true); }
  bool start_array(std::size_t) { return open(false); }
  bool key(std::string& name) {
    std::vector<Json::Member>& members = open_.back().members;
    if (members.empty()) members.reserve(2);
    members.emplace_back(name, Json());
    key_ends_.push_back(position());
    return true;
  }
  bool end_object() {
    Open object = close();
    refuse_duplicates(object.members);
    key_ends_.resize(key_ends_.size() - object.members.size());
    return add(Json::object(std::move(object.members)));
  }
  bool end_array() { return add(Json::array(close().items)); }

  // The scanner's sentence: "... line 1, column 2: syntax error while parsing value - REASON; expected WISH".
  template <class Exception>
  bool parse_error(std::size_t end, const std::string&, const Exception& error) {
    std::string_view reason = error.what();
    for (std::string_view prefix : {"] ", ": ", " - "}) {
      const std::size_t found = reason.find(prefix);
      if (found != reason.npos) reason.remove_prefix(found + prefix.size());
    }
    constexpr std::string_view wish = "; expected ";
    const std::size_t wish_at = reason.find(wish);
    const std::string_view expected =
        wish_at == reason.npos ? "JSON in UTF-8" : reason.substr(wish_at + wish.size());
    fail(end, printable(expected), printable(reason.substr(0, wish_at)));
  }

 private:
  struct Open {
    bool is_object;
    std::vector<Json> items;
    std::vector<Json::Member> members;
  };
  static constexpr std::size_t depth_limit = 256;

  std::size_t position() const { return static_cast<std::size_t>(furthest_ - text_.data()); }

  [[noreturn]] void fail(std::size_t end, std::string_view expected, std::string_view got) const {
    throw FileError("json-syntax",
                    {{"file", std::string(document_)},
                     {"at", line_and_column(text_, end)},
                     {"expected", std::string(expected)},
                     {"got", std::string(got)},
                     {"try", "correct the text, or fetch the file again if it was cut short"}});
  }

  bool add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().is_object) {
      open_.back().members.back().second = std::move(value);
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }

  bool open(bool is_object) {
    if (open_.size() == depth_limit) fail(position(), "at most 256 levels of nesting", "one more");
    open_.push_back({is_object, {}, {}});
    return true;
  }

  Open close() {
    Open top = std::move(open_.back());
    open_.pop_back();
    return top;
  }

  void refuse_duplicates(const std::vector<Json::Member>& members) const {
    constexpr std::size_t few = 8;  // that are compared with each other; more have a set, which allocates
    if (members.size() < 2) return;
    const auto refuse = [&](std::size_t i) {
      fail(key_ends_[key_ends_.size() - members.size() + i], "each key once",
           "the key \"" + printable(members[i].first) + "\" again");
    };
    if (members.size() <= few) {
      for (std::size_t i = 1; i < members.size(); ++i)
        for (std::size_t k = 0; k < i; ++k)
          if (members[k].first == members[i].first) refuse(i);
      return;
    }
    std::unordered_set<std::string_view> seen(members.size() * 2);
    for (std::size_t i = 0; i < members.size(); ++i)
      if (!seen.insert(members[i].first).second) refuse(i);
  }

  std::string_view text_;
  std::string_view document_;
  const char* furthest_ = text_.data();
  Json root_;
  std::vector<Open> open_;
  std::vector<std::size_t> key_ends_;  // of all members of the open objects
};

template <class>
Json parse_json(std::string_view text, std::string_view document) {
  Json value = JsonBuilder(text, document).parse();
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
      text_ += nlohmann::json(value.number()).dump();
    } else {
      char digits[32];
      text_.append(digits,
                   static_cast<std::size_t>(std::snprintf(digits, sizeof digits, "%.1f", value.number())));
    }
  }

  void write_string(const Json& value, const std::string& string) {
    try {
      text_ += nlohmann::json(string).dump();
    } catch (const nlohmann::json::type_error&) {
      refuse(value, "text in UTF-8", "\"" + printable(string) + "\"");
    }
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
