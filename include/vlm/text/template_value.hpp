// Values of a chat template under the interpreter, which behave as Python's: undefined, none, bool, integer, number,
// string, list, map and namespace. A value that an operation is not defined for is a TemplateProblem, which the
// interpreter turns into an error with its place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/io/json.hpp>
#include <vlm/text/unicode.hpp>

namespace vlm::detail {

// Why a value cannot be used; never leaves the interpreter.
struct TemplateProblem {
  std::string expected, got;
};

class TemplateValue {
 public:
  enum class Kind : std::uint8_t { Undefined, None, Bool, Integer, Number, String, List, Map, Namespace };
  using List = std::vector<TemplateValue>;
  using Map = std::vector<std::pair<std::string, TemplateValue>>;

  TemplateValue() = default;
  static TemplateValue none() { return TemplateValue(Kind::None); }
  static TemplateValue boolean(bool value) {
    TemplateValue result(Kind::Bool);
    result.integer_ = value;
    return result;
  }
  static TemplateValue integer(std::int64_t value) {
    TemplateValue result(Kind::Integer);
    result.integer_ = value;
    return result;
  }
  static TemplateValue number(double value) {
    TemplateValue result(Kind::Number);
    result.number_ = value;
    return result;
  }
  static TemplateValue string(std::string text) {
    TemplateValue result(Kind::String);
    result.text_ = std::make_shared<const std::string>(std::move(text));
    return result;
  }
  static TemplateValue list(List items) {
    TemplateValue result(Kind::List);
    result.items_ = std::make_shared<const List>(std::move(items));
    return result;
  }
  static TemplateValue map(Map members) { return with_members(Kind::Map, std::move(members)); }
  static TemplateValue name_space(Map members) { return with_members(Kind::Namespace, std::move(members)); }

  static TemplateValue from_json(const Json& json) {
    switch (json.kind()) {
      case Json::Kind::Null:
        return none();
      case Json::Kind::Bool:
        return boolean(json.boolean());
      case Json::Kind::Integer:
        return integer(json.integer());
      case Json::Kind::Number:
        return number(json.number());
      case Json::Kind::String:
        return string(json.string());
      case Json::Kind::Array: {
        List items;
        for (const Json& item : json.items()) items.push_back(from_json(item));
        return list(std::move(items));
      }
      case Json::Kind::Object: {
        Map members;
        for (const auto& [key, member] : json.members()) members.emplace_back(key, from_json(member));
        return map(std::move(members));
      }
    }
    return {};
  }

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  // Python's bool is an integer too.
  bool is_integral() const { return kind_ == Kind::Integer || kind_ == Kind::Bool; }
  bool is_numeric() const { return is_integral() || kind_ == Kind::Number; }

  std::int64_t as_integer() const { return integer_; }
  double as_number() const { return is_integral() ? static_cast<double>(integer_) : number_; }
  const std::string& text() const { return *text_; }
  const List& items() const { return *items_; }
  const Map& members() const { return *members_; }

  std::string kind_name() const {
    constexpr const char* names[] = {"an undefined value", "none",     "true or false", "an integer",
                                     "a number",           "a string", "a list",        "a map",
                                     "a namespace"};
    return names[static_cast<std::size_t>(kind_)];
  }

  bool truth() const {
    switch (kind_) {
      case Kind::Undefined:
      case Kind::None:
        return false;
      case Kind::Bool:
      case Kind::Integer:
        return integer_ != 0;
      case Kind::Number:
        return number_ != 0;
      case Kind::String:
        return !text_->empty();
      case Kind::List:
        return !items_->empty();
      case Kind::Map:
        return !members_->empty();
      case Kind::Namespace:
        return true;
    }
    return false;
  }

  // A member of a map or namespace, or null.
  const TemplateValue* find(std::string_view key) const {
    for (const auto& [name, value] : *members_)
      if (name == key) return &value;
    return nullptr;
  }
  // Of a namespace, which all its copies share.
  void set(std::string_view key, TemplateValue value) const {
    for (auto& [name, old] : *members_)
      if (name == key) return void(old = std::move(value));
    members_->emplace_back(key, std::move(value));
  }

  bool equals(const TemplateValue& other) const {
    if (is_numeric() && other.is_numeric())
      return is_integral() && other.is_integral() ? integer_ == other.integer_
                                                  : as_number() == other.as_number();
    if (kind_ != other.kind_) return false;
    switch (kind_) {
      case Kind::String:
        return *text_ == *other.text_;
      case Kind::List:
        return equal_lists(*items_, *other.items_);
      case Kind::Map:
        return equal_maps(other);
      case Kind::Namespace:
        return members_ == other.members_;
      default:
        return true;
    }
  }

  // As {{ value }} prints it.
  std::string printed() const {
    switch (kind_) {
      case Kind::Undefined:
        return {};
      case Kind::None:
        return "None";
      case Kind::Bool:
        return integer_ != 0 ? "True" : "False";
      case Kind::Integer:
        return std::to_string(integer_);
      case Kind::Number:
        return write_json(Json(number_));
      case Kind::String:
        return *text_;
      default:
        throw TemplateProblem{"a string or a number to print", kind_name()};
    }
  }

  Json to_json() const {
    switch (kind_) {
      case Kind::None:
        return nullptr;
      case Kind::Bool:
        return integer_ != 0;
      case Kind::Integer:
        return integer_;
      case Kind::Number:
        return number_;
      case Kind::String:
        return *text_;
      case Kind::List: {
        std::vector<Json> items;
        for (const TemplateValue& item : *items_) items.push_back(item.to_json());
        return Json::array(std::move(items));
      }
      case Kind::Map: {
        std::vector<Json::Member> members;
        for (const auto& [key, value] : *members_) members.emplace_back(key, value.to_json());
        return Json::object(std::move(members));
      }
      default:
        throw TemplateProblem{"a value that JSON can hold", kind_name()};
    }
  }

 private:
  explicit TemplateValue(Kind kind) : kind_(kind) {}
  static TemplateValue with_members(Kind kind, Map members) {
    TemplateValue result(kind);
    result.members_ = std::make_shared<Map>(std::move(members));
    return result;
  }
  static bool equal_lists(const List& a, const List& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
      if (!a[i].equals(b[i])) return false;
    return true;
  }
  bool equal_maps(const TemplateValue& other) const {
    if (members_->size() != other.members_->size()) return false;
    for (const auto& [key, value] : *members_) {
      const TemplateValue* twin = other.find(key);
      if (!twin || !value.equals(*twin)) return false;
    }
    return true;
  }

  Kind kind_ = Kind::Undefined;
  std::int64_t integer_ = 0;
  double number_ = 0;
  std::shared_ptr<const std::string> text_;
  std::shared_ptr<const List> items_;
  std::shared_ptr<Map> members_;
};

// ---- Strings as Python has them: of characters.

inline std::vector<std::string_view> characters_of(std::string_view text) {
  std::vector<std::string_view> characters;
  while (!text.empty()) {
    const std::size_t size = decode_utf8(text).size;
    characters.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return characters;
}

// What strip() without an argument takes away.
inline bool is_python_space(std::string_view character) {
  const char32_t c = decode_utf8(character).code_point;
  return is_white_space(c) || (c >= 0x1C && c <= 0x1F);
}

// The last character of a text that is not empty; a byte that ends none stands for itself.
inline std::string_view last_character_of(std::string_view text) {
  for (std::size_t size = 1; size <= 4 && size <= text.size(); ++size) {
    const std::string_view end = text.substr(text.size() - size);
    if ((static_cast<unsigned char>(end[0]) & 0xC0u) == 0x80u) continue;
    if (decode_utf8(end).size == size) return end;
    break;
  }
  return text.substr(text.size() - 1);
}

// `text` without the characters at its ends of which strips(character) is true.
template <class Strips>
std::string_view stripped(std::string_view text, bool left, bool right, Strips&& strips) {
  while (left && !text.empty()) {
    const std::string_view first = text.substr(0, decode_utf8(text).size);
    if (!strips(first)) break;
    text.remove_prefix(first.size());
  }
  while (right && !text.empty()) {
    const std::string_view last = last_character_of(text);
    if (!strips(last)) break;
    text.remove_suffix(last.size());
  }
  return text;
}

}  // namespace vlm::detail
