// Members of class Json: access by key, type errors, and places in the document. Included by io/json.hpp.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>

#include <vlm/io/json.hpp>

namespace vlm {

namespace detail {

// `path` one step further down: ".key", or ["key"] where the key has dots or spaces of its own.
inline std::string path_below(const std::string& path, std::string_view key) {
  bool plain = !key.empty();
  for (char c : key) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    plain = plain && (letter || (c >= '0' && c <= '9') || c == '_' || c == '-');
  }
  const std::string_view before = !plain ? "[\"" : path.empty() ? "" : ".", behind = plain ? "" : "\"]";
  std::string below;
  below.reserve(path.size() + before.size() + key.size() + behind.size());
  below.append(path).append(before).append(key).append(behind);
  return below;
}
inline std::string path_below(const std::string& path, std::size_t index) {
  const std::string number = std::to_string(index);
  std::string below;
  below.reserve(path.size() + number.size() + 2);
  below.append(path).append("[").append(number).append("]");
  return below;
}

// "a string: 4096"; long texts are cut, between characters.
inline std::string kind_and_value(const Json& value) {
  constexpr std::size_t limit = 60;
  std::string text(value.kind_name());
  if (value.is_bool()) text = value.boolean() ? "true" : "false";
  if (value.is_integer()) text += ": " + std::to_string(value.integer());
  if (value.kind() == Json::Kind::Number) {
    char digits[32];
    text.append(": ").append(digits, std::to_chars(digits, digits + sizeof digits, value.number()).ptr);
  }
  if (value.is_string()) {
    const std::string& string = value.string();
    std::size_t end = std::min(limit, string.size());
    while (end > 0 && end < string.size() && (static_cast<unsigned char>(string[end]) & 0xc0u) == 0x80u)
      --end;
    text += ": \"" + string.substr(0, end) + (end < string.size() ? "..." : "") + "\"";
  }
  return text;
}

inline std::string place(const Json& value) {
  return value.path().empty() && !value.document().empty() ? "top level" : value.path();
}

}  // namespace detail

inline Json Json::array(std::vector<Json> items) {
  Json value = of_kind(Kind::Array);
  value.items_ = std::move(items);
  return value;
}

inline Json Json::object(std::vector<Member> members) {
  Json value = of_kind(Kind::Object);
  value.members_ = std::move(members);
  return value;
}

inline std::string_view Json::kind_name() const {
  constexpr std::string_view names[] = {"null",     "true or false", "an integer", "a number",
                                        "a string", "an array",      "an object"};
  return names[static_cast<std::size_t>(kind_)];
}

inline const Json& Json::expect(Kind kind, std::string_view wanted) const {
  if (kind_ == kind) return *this;
  throw ConfigError("json-type", {{"file", document()},
                                  {"at", detail::place(*this)},
                                  {"expected", std::string(wanted)},
                                  {"got", detail::kind_and_value(*this)},
                                  {"try", "correct this value"}});
}

inline const Json* Json::find(std::string_view key) const {
  for (const Member& member : members_) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

inline const Json& Json::at(std::string_view key) const {
  expect(Kind::Object, "an object");
  if (const Json* value = find(key)) return *value;
  throw ConfigError("json-missing", {{"file", document()},
                                     {"at", detail::path_below(path_, key)},
                                     {"expected", "a value"},
                                     {"got", "no member of this name"},
                                     {"try", "add it, or check that this is the right file"}});
}

inline const Json& Json::at(std::size_t index) const {
  expect(Kind::Array, "an array");
  if (index < items_.size()) return items_[index];
  throw ConfigError("json-missing", {{"file", document()},
                                     {"at", detail::path_below(path_, index)},
                                     {"expected", "a value"},
                                     {"got", "an array of length " + std::to_string(items_.size())},
                                     {"try", "add it, or check that this is the right file"}});
}

inline void Json::push_back(Json value) {
  if (is_null()) kind_ = Kind::Array;
  expect(Kind::Array, "an array");
  items_.push_back(std::move(value));
}

inline void Json::set(std::string_view key, Json value) {
  if (is_null()) kind_ = Kind::Object;
  expect(Kind::Object, "an object");
  if (const Json* present = find(key)) {
    *const_cast<Json*>(present) = std::move(value);
  } else {
    members_.emplace_back(key, std::move(value));
  }
}

inline void Json::locate(std::shared_ptr<const std::string> document, std::string path) {
  constexpr std::size_t crowd = 1000;
  const bool crowded = items_.size() > crowd || members_.size() > crowd;
  const auto is_leaf = [](const Json& value) { return !value.is_array() && !value.is_object(); };
  for (std::size_t i = 0; i < items_.size(); ++i) {
    items_[i].locate(document, crowded && is_leaf(items_[i]) ? path : detail::path_below(path, i));
  }
  for (auto& [key, value] : members_) {
    value.locate(document, crowded && is_leaf(value) ? path : detail::path_below(path, key));
  }
  path_ = std::move(path);
  document_ = std::move(document);
}

}  // namespace vlm
