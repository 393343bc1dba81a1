// A small interpreter for chat templates, for folders whose template is none of those that chat_template.hpp has as
// rules. It knows if, for, set, macro, namespace and the operators, tests, filters and methods of the published
// templates; TemplateProgram's constructor refuses anything else by name.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/io/json.hpp>
#include <vlm/text/chat_template.hpp>
#include <vlm/text/template_parser.hpp>
#include <vlm/text/template_value.hpp>

namespace vlm {

namespace detail {

// Names and values; a name that is not here may be in the scope around.
struct TemplateScope {
  TemplateScope* around = nullptr;
  TemplateValue::Map values{};

  const TemplateValue* find(std::string_view name) const {
    for (const TemplateScope* scope = this; scope; scope = scope->around)
      for (const auto& [key, value] : scope->values)
        if (key == name) return &value;
    return nullptr;
  }
  void set(std::string_view name, TemplateValue value) {
    for (auto& [key, old] : values)
      if (key == name) return void(old = std::move(value));
    values.emplace_back(name, std::move(value));
  }
};

class TemplateRun {
 public:
  TemplateRun(const TemplateBody& body, const std::string& document, const Json& variables)
      : body_(body), document_(document) {
    for (const auto& [name, value] : variables.members()) root_.set(name, TemplateValue::from_json(value));
  }

  std::string render() {
    std::string text;
    run(body_, root_, text);
    return text;
  }

 private:
  using Value = TemplateValue;
  using Kind = TemplateValue::Kind;
  using Expression = TemplateExpression;

  [[noreturn]] void fail(std::size_t line, std::string expected, std::string got) const {
    throw DataError("chat-template",
                    {{"file", document_},
                     {"at", "line " + std::to_string(line)},
                     {"expected", std::move(expected)},
                     {"got", std::move(got)},
                     {"try", "a conversation of the form that this template is written for"}});
  }

  // A template may come from anywhere: it ends, and fits into memory.
  static constexpr std::size_t most_steps = 1'000'000, longest_text = std::size_t{1} << 26;
  static void check_length(std::size_t size) {
    if (size > longest_text) throw TemplateProblem{"texts and lists up to 2^26 long", "a longer one"};
  }

  void count_step() { count_steps(1); }
  void count_steps(std::size_t count) {
    steps_ += count;
    if (steps_ > most_steps) throw TemplateProblem{"a template that ends within a million steps", "more"};
  }

  // Work with long strings counts too, and copies of long lists.
  Value weighed(Value value) {
    if (value.is(Kind::String)) count_steps(value.text().size() >> 12);
    return value;
  }
  Value weighed_list(Value value) {
    if (value.is(Kind::List)) count_steps(value.items().size() >> 8);
    return value;
  }

  // ---- Statements.

  void run(const TemplateBody& body, TemplateScope& scope, std::string& text) {
    for (const TemplateStatement& statement : body) {
      try {
        run(statement, scope, text);
      } catch (const TemplateProblem& problem) {
        fail(statement.line, problem.expected, problem.got);
      }
    }
  }

  void run(const TemplateStatement& statement, TemplateScope& scope, std::string& text) {
    count_step();
    check_length(text.size());
    switch (statement.kind) {
      case TemplateStatement::Kind::Text:
        text += statement.text;
        break;
      case TemplateStatement::Kind::Print:
        text += value_of(statement.expressions[0], scope).printed();
        break;
      case TemplateStatement::Kind::Set:
        assign(statement, scope);
        break;
      case TemplateStatement::Kind::If: {
        std::size_t branch = 0;
        while (branch < statement.expressions.size() &&
               !value_of(statement.expressions[branch], scope).truth())
          ++branch;
        run(statement.bodies[branch], scope, text);
        break;
      }
      case TemplateStatement::Kind::For:
        loop(statement, scope, text);
        break;
      case TemplateStatement::Kind::Macro:
        macros_.emplace_back(statement.text, &statement);
        break;
    }
  }

  void assign(const TemplateStatement& statement, TemplateScope& scope) {
    Value value = value_of(statement.expressions[0], scope);
    if (statement.names.empty()) return scope.set(statement.text, std::move(value));
    const Value* target = scope.find(statement.text);
    if (!target || !target->is(Kind::Namespace))
      throw TemplateProblem{"a namespace to set an attribute of",
                            target ? target->kind_name() : "an undefined value"};
    target->set(statement.names[0], plain(std::move(value)));
  }

  // Namespaces are held by names alone, so that none can hold itself.
  static Value plain(Value value) {
    if (value.is(Kind::Namespace)) throw TemplateProblem{"a value other than a namespace", value.kind_name()};
    return value;
  }

  void loop(const TemplateStatement& statement, TemplateScope& scope, std::string& text) {
    const Value::List items = items_of(value_of(statement.expressions[0], scope));
    const auto size = static_cast<std::int64_t>(items.size());
    for (std::int64_t i = 0; i < size; ++i) {
      count_step();
      TemplateScope inner{&scope};
      inner.set(statement.text, items[static_cast<std::size_t>(i)]);
      inner.set("loop", Value::map({{"first", Value::boolean(i == 0)},
                                    {"last", Value::boolean(i + 1 == size)},
                                    {"index", Value::integer(i + 1)},
                                    {"index0", Value::integer(i)},
                                    {"revindex", Value::integer(size - i)},
                                    {"revindex0", Value::integer(size - i - 1)},
                                    {"length", Value::integer(size)}}));
      run(statement.bodies[0], inner, text);
    }
  }

  static Value::List items_of(const Value& value) {
    Value::List items;
    switch (value.kind()) {
      case Kind::Undefined:
        break;
      case Kind::List:
        return value.items();
      case Kind::String:
        for (const std::string_view c : characters_of(value.text()))
          items.push_back(Value::string(std::string(c)));
        break;
      case Kind::Map:
        for (const auto& member : value.members()) items.push_back(Value::string(member.first));
        break;
      default:
        throw TemplateProblem{"a list to walk through", value.kind_name()};
    }
    return items;
  }

  // ---- Expressions.

  Value value_of(const Expression& e, TemplateScope& scope) {
    const auto part = [&](std::size_t i) { return weighed(value_of(e.parts[i], scope)); };
    switch (e.kind) {
      case Expression::Kind::Constant:
        return e.value;
      case Expression::Kind::Name: {
        const Value* found = scope.find(e.text);
        if (!found && is_macro(e.text))
          throw TemplateProblem{"a call of the macro " + e.text, "its name alone"};
        return found ? *found : Value();
      }
      case Expression::Kind::List: {
        Value::List items;
        for (const Expression& item : e.parts) items.push_back(plain(value_of(item, scope)));
        return Value::list(std::move(items));
      }
      case Expression::Kind::Attribute:
        return attribute(part(0), e.text);
      case Expression::Kind::Index:
        return index(part(0), part(1));
      case Expression::Kind::Slice:
        return slice(weighed_list(part(0)), bound(e.parts[1], scope), bound(e.parts[2], scope),
                     bound(e.parts[3], scope));
      case Expression::Kind::Missing:
        return {};
      case Expression::Kind::Call:
        return call(e, scope);
      case Expression::Kind::Namespace: {
        Value::Map members;
        for (std::size_t i = 0; i < e.names.size(); ++i) members.emplace_back(e.names[i], plain(part(i)));
        return Value::name_space(std::move(members));
      }
      case Expression::Kind::Method:
        return method(e.text, part(0), e.parts.size() > 1 ? part(1) : Value::none());
      case Expression::Kind::Filter:
        return filter(e.text, part(0));
      case Expression::Kind::Test:
        return Value::boolean(test(e.text, part(0)));
      case Expression::Kind::Not:
        return Value::boolean(!part(0).truth());
      case Expression::Kind::Negate:
        return negated(part(0));
      case Expression::Kind::And: {
        const Value left = part(0);
        return left.truth() ? part(1) : left;
      }
      case Expression::Kind::Or: {
        const Value left = part(0);
        return left.truth() ? left : part(1);
      }
      case Expression::Kind::Binary:
        return weighed_list(binary(e.text, part(0), part(1)));
      case Expression::Kind::Conditional:
        return part(1).truth() ? part(0) : part(2);
    }
    return {};
  }

  bool is_macro(std::string_view name) const {
    return std::any_of(macros_.begin(), macros_.end(),
                       [name](const auto& macro) { return macro.first == name; });
  }

  Value call(const Expression& e, TemplateScope& scope) {
    if (e.text == "raise_exception")
      throw TemplateProblem{"a conversation that the template takes", value_of(e.parts[0], scope).printed()};
    const auto found = std::find_if(macros_.rbegin(), macros_.rend(),
                                    [&](const auto& macro) { return macro.first == e.text; });
    if (found == macros_.rend() || scope.find(e.text)) throw TemplateProblem{"a macro to call", e.text};
    const TemplateStatement& macro = *found->second;
    if (e.parts.size() > macro.names.size())
      throw TemplateProblem{"at most " + std::to_string(macro.names.size()) + " arguments of " + e.text,
                            std::to_string(e.parts.size())};
    TemplateScope inner{&root_};
    for (std::size_t i = 0; i < macro.names.size(); ++i)
      inner.set(macro.names[i], i < e.parts.size() ? value_of(e.parts[i], scope) : Value());
    if (++calls_ > 10) throw TemplateProblem{"macros that call each other at most 10 levels deep", "more"};
    std::string text;
    run(macro.bodies[0], inner, text);
    --calls_;
    return Value::string(std::move(text));
  }

  static bool is_method_of_maps(std::string_view name) {
    for (const char* method : {"clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem",
                               "setdefault", "update", "values"})
      if (name == method) return true;
    return false;
  }

  static Value attribute(const Value& object, std::string_view name) {
    switch (object.kind()) {
      case Kind::Map:
        if (is_method_of_maps(name))
          throw TemplateProblem{"a member that is no method of maps", std::string(name)};
        [[fallthrough]];
      case Kind::Namespace: {
        const Value* found = object.find(name);
        return found ? *found : Value();
      }
      case Kind::None:
        return {};
      default:
        throw TemplateProblem{"a value with the attribute " + std::string(name), object.kind_name()};
    }
  }

  static Value index(const Value& object, const Value& at) {
    if (object.is(Kind::None)) return {};
    if (object.is(Kind::Map)) {
      if (!at.is(Kind::String)) throw TemplateProblem{"a string as the name of a member", at.kind_name()};
      if (const Value* found = object.find(at.text())) return *found;
      return attribute(object, at.text());
    }
    if (!object.is(Kind::List) && !object.is(Kind::String))
      throw TemplateProblem{"a list, a map or a string to look into", object.kind_name()};
    if (!at.is(Kind::Integer)) throw TemplateProblem{"an integer as the place in a list", at.kind_name()};
    const Value::List characters = object.is(Kind::String) ? items_of(object) : Value::List();
    const Value::List& items = object.is(Kind::String) ? characters : object.items();
    const auto size = static_cast<std::int64_t>(items.size());
    const std::int64_t place = at.as_integer() < 0 ? at.as_integer() + size : at.as_integer();
    return place >= 0 && place < size ? items[static_cast<std::size_t>(place)] : Value();
  }

  // A part of a slice, none where it is left out.
  Value bound(const Expression& e, TemplateScope& scope) {
    if (e.kind == Expression::Kind::Missing) return Value::none();
    Value value = value_of(e, scope);
    if (value.is(Kind::None)) return value;
    if (!value.is(Kind::Integer)) throw TemplateProblem{"integers in a slice", value.kind_name()};
    constexpr std::int64_t most = std::int64_t{1} << 40;
    return Value::integer(std::clamp(value.as_integer(), -most, most));
  }

  static Value slice(const Value& object, const Value& begin, const Value& end, const Value& step) {
    if (!object.is(Kind::List) && !object.is(Kind::String))
      throw TemplateProblem{"a list or a string to slice", object.kind_name()};
    const Value::List items = items_of(object);
    const auto size = static_cast<std::int64_t>(items.size());
    const std::int64_t stride = step.is(Kind::None) ? 1 : step.as_integer();
    if (stride == 0) throw TemplateProblem{"a step other than zero", "0"};
    // As Python clips them.
    const std::int64_t lowest = stride > 0 ? 0 : -1, highest = stride > 0 ? size : size - 1;
    const auto place = [&](const Value& value, std::int64_t missing) {
      const std::int64_t at = value.as_integer();
      return value.is(Kind::None) ? missing : std::clamp(at < 0 ? at + size : at, lowest, highest);
    };
    const std::int64_t from = place(begin, stride > 0 ? 0 : size - 1),
                       to = place(end, stride > 0 ? size : -1);
    Value::List picked;
    for (std::int64_t at = from; stride > 0 ? at < to : at > to; at += stride)
      picked.push_back(items[static_cast<std::size_t>(at)]);
    if (object.is(Kind::List)) return Value::list(std::move(picked));
    std::string text;
    for (const Value& c : picked) text += c.text();
    return Value::string(std::move(text));
  }

  static const std::string& text_of(const Value& value, const std::string& what) {
    if (!value.is(Kind::String)) throw TemplateProblem{"a string for " + what, value.kind_name()};
    return value.text();
  }

  // `argument` is none where there is none, which Python takes for the same.
  static Value method(const std::string& name, const Value& object, const Value& argument) {
    const std::string& text = text_of(object, name);
    const bool by_space = argument.is(Kind::None);
    const std::string given = by_space ? std::string() : text_of(argument, name);
    if (name == "startswith" || name == "endswith") {
      if (by_space) throw TemplateProblem{"a string for " + name, argument.kind_name()};
      return Value::boolean(name == "startswith" ? text.starts_with(given) : text.ends_with(given));
    }
    if (name == "split") return split(text, given, by_space);
    const std::vector<std::string_view> characters = characters_of(given);
    const auto strips = [&](std::string_view c) {
      return by_space ? is_python_space(c)
                      : std::find(characters.begin(), characters.end(), c) != characters.end();
    };
    return Value::string(std::string(stripped(text, name != "rstrip", name != "lstrip", strips)));
  }

  static Value split(std::string_view text, std::string_view separator, bool by_space) {
    Value::List parts;
    if (by_space) {
      std::string word;
      for (const std::string_view c : characters_of(text)) {
        if (!is_python_space(c)) {
          word += c;
        } else if (!word.empty()) {
          parts.push_back(Value::string(std::exchange(word, {})));
        }
      }
      if (!word.empty()) parts.push_back(Value::string(word));
      return Value::list(std::move(parts));
    }
    if (separator.empty()) throw TemplateProblem{"a separator to split by", "an empty string"};
    for (;;) {
      const std::size_t end = text.find(separator);
      parts.push_back(Value::string(std::string(text.substr(0, end))));
      if (end == text.npos) return Value::list(std::move(parts));
      text.remove_prefix(end + separator.size());
    }
  }

  static Value filter(const std::string& name, const Value& value) {
    if (name == "tojson") return Value::string(template_json(value.to_json()));
    if (name == "trim") return method("strip", value, Value::none());
    if (value.is(Kind::Namespace)) throw TemplateProblem{"a value that has a length", value.kind_name()};
    return Value::integer(static_cast<std::int64_t>(items_of(value).size()));
  }

  static bool test(const std::string& name, const Value& value) {
    if (name == "defined") return !value.is(Kind::Undefined);
    if (name == "undefined") return value.is(Kind::Undefined);
    if (name == "string") return value.is(Kind::String);
    if (name == "none") return value.is(Kind::None);
    if (name == "boolean") return value.is(Kind::Bool);
    if (name == "true" || name == "false") return value.is(Kind::Bool) && value.truth() == (name == "true");
    if (name == "integer") return value.is(Kind::Integer);
    if (name == "number") return value.is_numeric();
    if (name == "mapping") return value.is(Kind::Map);
    // iterable and sequence; undefined values are both
    return value.is(Kind::List) || value.is(Kind::Map) || value.is(Kind::String) || value.is(Kind::Undefined);
  }

  static Value binary(const std::string& sign, const Value& a, const Value& b) {
    if (sign == "==") return Value::boolean(a.equals(b));
    if (sign == "!=") return Value::boolean(!a.equals(b));
    if (sign == "in") return Value::boolean(contains(b, a));
    if (sign == "not in") return Value::boolean(!contains(b, a));
    if (sign == "+" || sign == "-") return sum(sign == "+", a, b);
    const bool numbers = a.is_numeric() && b.is_numeric();
    if (!numbers && !(a.is(Kind::String) && b.is(Kind::String)))
      throw TemplateProblem{"two numbers or two strings for " + sign,
                            a.kind_name() + " and " + b.kind_name()};
    const int order = numbers ? compare(a, b) : a.text().compare(b.text());
    return Value::boolean(sign == ">"    ? order > 0
                          : sign == "<"  ? order < 0
                          : sign == ">=" ? order >= 0
                                         : order <= 0);
  }

  static Value negated(const Value& value) {
    return value.is(Kind::Number) ? Value::number(-value.as_number()) : sum(false, Value::integer(0), value);
  }

  static int compare(const Value& a, const Value& b) {
    if (a.is_integral() && b.is_integral())
      return (a.as_integer() > b.as_integer()) - (a.as_integer() < b.as_integer());
    return (a.as_number() > b.as_number()) - (a.as_number() < b.as_number());
  }

  static Value sum(bool adds, const Value& a, const Value& b) {
    if (a.is(Kind::String) && b.is(Kind::String)) check_length(a.text().size() + b.text().size());
    if (a.is(Kind::List) && b.is(Kind::List)) check_length(a.items().size() + b.items().size());
    if (a.is_integral() && b.is_integral()) {
      const std::int64_t x = a.as_integer(), y = b.as_integer();
      constexpr std::int64_t half = std::numeric_limits<std::int64_t>::max() / 2;
      if (std::max(x, y) > half || std::min(x, y) < -half)
        throw TemplateProblem{"integers within 62 bits", "a larger one"};
      return Value::integer(adds ? x + y : x - y);
    }
    if (a.is_numeric() && b.is_numeric())
      return Value::number(adds ? a.as_number() + b.as_number() : a.as_number() - b.as_number());
    if (adds && a.is(Kind::String) && b.is(Kind::String)) return Value::string(a.text() + b.text());
    if (adds && a.is(Kind::List) && b.is(Kind::List)) {
      Value::List items = a.items();
      items.insert(items.end(), b.items().begin(), b.items().end());
      return Value::list(std::move(items));
    }
    throw TemplateProblem{std::string("values of one kind for ") + (adds ? "+" : "-"),
                          a.kind_name() + " and " + b.kind_name()};
  }

  static bool contains(const Value& whole, const Value& part) {
    switch (whole.kind()) {
      case Kind::Undefined:
        return false;
      case Kind::String:
        return whole.text().find(text_of(part, "in")) != std::string::npos;
      case Kind::Map:
        return part.is(Kind::String) && whole.find(part.text());
      case Kind::List:
        return std::any_of(whole.items().begin(), whole.items().end(),
                           [&](const Value& item) { return item.equals(part); });
      default:
        throw TemplateProblem{"a string, a list or a map after in", whole.kind_name()};
    }
  }

  const TemplateBody& body_;
  const std::string& document_;
  TemplateScope root_;
  std::vector<std::pair<std::string, const TemplateStatement*>> macros_;
  std::size_t calls_ = 0, steps_ = 0;
};

}  // namespace detail

// A template, read once and rendered any number of times, by many threads if need be.
class TemplateProgram {
 public:
  // `document` names the source in errors. ConfigError [chat-template] for what is not understood.
  TemplateProgram(std::string_view source, std::string document)
      : document_(std::move(document)), body_(detail::TemplateParser(source, document_).parse()) {}

  // `variables` is an object. DataError [chat-template] where a value is not what the template asks of it.
  std::string render(const Json& variables) const {
    return detail::TemplateRun(body_, document_, variables).render();
  }

 private:
  std::string document_;
  detail::TemplateBody body_;
};

}  // namespace vlm
