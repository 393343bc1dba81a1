// JSON values: what the library keeps of a document. Parsing and writing go through nlohmann-json behind
// parse_json and write_json, whose definitions are in io/json_definitions.hpp; no other header sees that
// library. vlm.hpp includes the definitions, unless they come compiled with vlm::kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>

namespace vlm {

// One JSON value that knows its path in the document, so that a wrong type is reported where it stands.
// Objects keep the order of their members. Integers stay integers; one beyond 64 bits becomes a number.
class Json {
 public:
  enum class Kind : std::uint8_t { Null, Bool, Integer, Number, String, Array, Object };
  using Member = std::pair<std::string, Json>;

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool value) : kind_(Kind::Bool), integer_(value) {}
  Json(int value) : kind_(Kind::Integer), integer_(value) {}
  Json(std::int64_t value) : kind_(Kind::Integer), integer_(value) {}
  Json(double value) : kind_(Kind::Number), number_(value) {}
  Json(const char* text) : kind_(Kind::String), text_(text) {}
  Json(std::string_view text) : kind_(Kind::String), text_(text) {}
  Json(std::string text) : kind_(Kind::String), text_(std::move(text)) {}
  static Json array() { return of_kind(Kind::Array); }
  static Json array(std::vector<Json> items);
  static Json object() { return of_kind(Kind::Object); }
  static Json object(std::vector<Member> members);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::Null; }
  bool is_bool() const { return kind_ == Kind::Bool; }
  bool is_integer() const { return kind_ == Kind::Integer; }
  bool is_number() const { return kind_ == Kind::Number || kind_ == Kind::Integer; }
  bool is_string() const { return kind_ == Kind::String; }
  bool is_array() const { return kind_ == Kind::Array; }
  bool is_object() const { return kind_ == Kind::Object; }

  // Typed access; ConfigError [json-type] names the document, the path, what was expected
  // and what stands there.
  bool boolean() const { return expect(Kind::Bool, "true or false").integer_ != 0; }
  std::int64_t integer() const { return expect(Kind::Integer, "an integer").integer_; }
  double number() const {
    return kind_ == Kind::Integer ? static_cast<double>(integer_) : expect(Kind::Number, "a number").number_;
  }
  const std::string& string() const { return expect(Kind::String, "a string").text_; }
  const std::vector<Json>& items() const { return expect(Kind::Array, "an array").items_; }
  const std::vector<Member>& members() const { return expect(Kind::Object, "an object").members_; }

  // The member `key`, or null when it is absent or this is no object.
  const Json* find(std::string_view key) const;
  // The member `key`; ConfigError [json-missing] when absent.
  const Json& at(std::string_view key) const;
  const Json& at(std::size_t index) const;

  // Appending and setting, for documents that are written.
  // Null turns into an array or an object; any other kind is ConfigError [json-type].
  void push_back(Json value);
  void set(std::string_view key, Json value);

  // Where the value stands: the name of its document, and its path ("text_config.rope_scaling[2]").
  std::string document() const { return document_ ? *document_ : std::string(); }
  const std::string& path() const { return path_; }
  // Gives this value and all below it their place; done once by parse_json. Scalars directly in an array or
  // object of more than 1000 carry the place of that container, so that vocabularies stay cheap.
  void locate(std::shared_ptr<const std::string> document, std::string path);
  std::string_view kind_name() const;

 private:
  static Json of_kind(Kind kind) {
    Json value;
    value.kind_ = kind;
    return value;
  }
  const Json& expect(Kind kind, std::string_view wanted) const;

  Kind kind_ = Kind::Null;
  std::int64_t integer_ = 0;
  double number_ = 0;
  std::string text_;
  std::vector<Json> items_;
  std::vector<Member> members_;
  std::string path_;
  std::shared_ptr<const std::string> document_;
};

namespace detail {
// Templates, so that a program may have their definitions in its own translation unit or in a library.
template <class = void>
Json parse_json(std::string_view text, std::string_view document);
template <class = void>
std::string write_json(const Json& value, int indent);
}  // namespace detail

// Parses strict UTF-8 JSON. `document` names the text in errors: FileError [json-syntax] with line and
// column. Duplicate keys, trailing text, and nesting deeper than 256 are errors.
inline Json parse_json(std::string_view text, std::string_view document) {
  return detail::parse_json<>(text, document);
}

// Text of a value: compact, indented when `indent` > 0, or one line with ", " and ": " as Python writes it
// when `indent` < 0. Non-ASCII stays as it is, and numbers read back as the same values.
inline std::string write_json(const Json& value, int indent = 0) {
  return detail::write_json<>(value, indent);
}

}  // namespace vlm

#include <vlm/io/json_value.hpp>
