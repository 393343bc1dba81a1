// The syntax tree of a chat template. The parser knows what the published templates of the family use, and refuses
// anything else by name before a word is rendered.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/text/template_syntax.hpp>
#include <vlm/text/template_value.hpp>

namespace vlm::detail {

struct TemplateExpression {
  enum class Kind : std::uint8_t {
    Constant,   // value
    Name,       // text
    List,       // parts: items
    Attribute,  // text; parts: object
    Index,      // parts: object, index
    Slice,      // parts: object, begin, end, step, each of these possibly Missing
    Missing,
    Call,       // text: macro or function; parts: arguments
    Namespace,  // names; parts: their values
    Method,     // text; parts: object, arguments
    Filter,     // text; parts: operand
    Test,       // text; parts: operand
    Not,
    Negate,
    And,
    Or,
    Binary,       // text: the operator; parts: left, right
    Conditional,  // parts: value, condition, otherwise or Missing
  };
  Kind kind = Kind::Missing;
  std::size_t line = 1;
  std::string text{};
  std::vector<TemplateExpression> parts{};
  std::vector<std::string> names{};
  TemplateValue value{};
};

struct TemplateStatement {
  enum class Kind : std::uint8_t {
    Text,   // text
    Print,  // expressions: one
    Set,    // text: name; expressions: value; names: the attribute of a namespace, if any
    If,     // expressions: conditions; bodies: one for each, and the last one for else
    For,    // text: name; expressions: what is walked through; bodies: one
    Macro,  // text: name; names: parameters; bodies: one
  };
  Kind kind;
  std::size_t line = 1;
  std::string text{};
  std::vector<TemplateExpression> expressions{};
  std::vector<std::string> names{};
  std::vector<std::vector<TemplateStatement>> bodies{};
};

using TemplateBody = std::vector<TemplateStatement>;

// The tokens of one tag or printed expression.
class TemplateExpressionParser {
 public:
  TemplateExpressionParser(const std::vector<TemplateToken>& tokens, std::string document)
      : tokens_(tokens), place_{std::move(document)} {
    if (tokens.size() > 400) refuse("an expression of more than 400 words and signs");
  }

  TemplateExpression expression() {
    TemplateExpression value = disjunction();
    if (!take_name("if")) return value;
    TemplateExpression result = node(Kind::Conditional);
    result.parts = {std::move(value), disjunction(), {}};
    if (take_name("else")) result.parts[2] = expression();
    return result;
  }

  std::string name() {
    const TemplateToken& token = next();
    if (token.kind != TemplateToken::Kind::Name) refuse(described(token) + " in place of a name");
    return token.text;
  }
  bool is_symbol(std::string_view symbol) const { return is(TemplateToken::Kind::Symbol, symbol); }
  bool take_symbol(std::string_view symbol) { return take(TemplateToken::Kind::Symbol, symbol); }
  bool take_name(std::string_view word) { return take(TemplateToken::Kind::Name, word); }
  void expect_symbol(std::string_view symbol) {
    if (!take_symbol(symbol)) refuse(described(peek()) + " in place of \"" + std::string(symbol) + "\"");
  }
  void expect_name(std::string_view word) {
    if (!take_name(word)) refuse(described(peek()) + " in place of \"" + std::string(word) + "\"");
  }
  void expect_end() {
    if (peek().kind != TemplateToken::Kind::End) refuse(described(peek()) + " after an expression");
  }
  [[noreturn]] void refuse(std::string construct) const {
    TemplatePlace place = place_;
    place.line = peek().line;
    place.refuse(std::move(construct));
  }

 private:
  using Kind = TemplateExpression::Kind;

  const TemplateToken& peek() const { return tokens_[at_]; }
  const TemplateToken& next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool is(TemplateToken::Kind kind, std::string_view text) const {
    return peek().kind == kind && peek().text == text;
  }
  bool take(TemplateToken::Kind kind, std::string_view text) {
    const bool found = is(kind, text);
    at_ += found;
    return found;
  }
  static std::string described(const TemplateToken& token) {
    return token.kind == TemplateToken::Kind::String ? "a string" : "\"" + token.text + "\"";
  }
  static bool among(std::string_view word, std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
  }

  TemplateExpression node(Kind kind, std::string text = {}) const {
    TemplateExpression result;
    result.kind = kind;
    result.line = peek().line;
    result.text = std::move(text);
    return result;
  }
  TemplateExpression pair(Kind kind, std::string text, TemplateExpression left,
                          TemplateExpression right) const {
    TemplateExpression result = node(kind, std::move(text));
    result.parts.push_back(std::move(left));
    result.parts.push_back(std::move(right));
    return result;
  }
  TemplateExpression constant(TemplateValue value) const {
    TemplateExpression result = node(Kind::Constant);
    result.value = std::move(value);
    return result;
  }

  // Expressions nest: no deeper than the stack is safe with.
  struct Depth {
    explicit Depth(TemplateExpressionParser& parser) : parser_(parser) {
      if (++parser_.depth_ > 60) parser_.refuse("an expression nested too deep");
    }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    ~Depth() { --parser_.depth_; }
    TemplateExpressionParser& parser_;
  };

  TemplateExpression disjunction() {
    const Depth depth(*this);
    TemplateExpression left = conjunction();
    while (take_name("or")) left = pair(Kind::Or, {}, std::move(left), conjunction());
    return left;
  }

  TemplateExpression conjunction() {
    TemplateExpression left = negation();
    while (take_name("and")) left = pair(Kind::And, {}, std::move(left), negation());
    return left;
  }

  TemplateExpression negation() {
    if (!take_name("not")) return comparison();
    const Depth depth(*this);
    TemplateExpression result = node(Kind::Not);
    result.parts.push_back(negation());
    return result;
  }

  TemplateExpression comparison() {
    TemplateExpression left = sum();
    const std::string operation = take_comparison();
    if (operation.empty()) return left;
    TemplateExpression result = pair(Kind::Binary, operation, std::move(left), sum());
    if (!take_comparison().empty()) refuse("a chain of comparisons");
    return result;
  }
  std::string take_comparison() {
    for (const char* symbol : {"==", "!=", ">=", "<=", ">", "<"})
      if (take_symbol(symbol)) return symbol;
    if (take_name("in")) return "in";
    if (!is(TemplateToken::Kind::Name, "not")) return {};
    next();
    expect_name("in");
    return "not in";
  }

  TemplateExpression sum() {
    TemplateExpression left = unary(true);
    for (;;) {
      if (take_symbol("+")) {
        left = pair(Kind::Binary, "+", std::move(left), unary(true));
      } else if (take_symbol("-")) {
        left = pair(Kind::Binary, "-", std::move(left), unary(true));
      } else {
        break;
      }
    }
    for (const char* symbol : {"~", "*", "/", "//", "%", "**"})
      if (is_symbol(symbol)) refuse("the operator " + std::string(symbol));
    return left;
  }

  // A sign binds closer than a filter.
  TemplateExpression unary(bool with_filters) {
    const Depth depth(*this);
    TemplateExpression result;
    if (take_symbol("-")) {
      result = node(Kind::Negate);
      result.parts.push_back(unary(false));
    } else if (is_symbol("+")) {
      refuse("the sign +");
    } else {
      result = primary();
    }
    result = postfix(std::move(result));
    return with_filters ? filters(std::move(result)) : result;
  }

  TemplateExpression primary() {
    const TemplateToken& token = next();
    switch (token.kind) {
      case TemplateToken::Kind::Integer:
        return constant(TemplateValue::integer(std::stoll(token.text)));
      case TemplateToken::Kind::String: {
        std::string text = token.text;
        while (peek().kind == TemplateToken::Kind::String) text += next().text;
        return constant(TemplateValue::string(std::move(text)));
      }
      case TemplateToken::Kind::Name:
        return named(token.text);
      case TemplateToken::Kind::Symbol:
        if (token.text == "(") {
          TemplateExpression inner = expression();
          if (is_symbol(",")) refuse("a tuple");
          expect_symbol(")");
          return inner;
        }
        if (token.text == "[") return list();
        if (token.text == "{") refuse("a map in braces");
        break;
      case TemplateToken::Kind::End:
        refuse("an expression that ends early");
    }
    refuse(described(token) + " in place of a value");
  }

  TemplateExpression named(const std::string& word) {
    if (word == "true" || word == "True" || word == "false" || word == "False")
      return constant(TemplateValue::boolean((word[0] | 0x20) == 't'));
    if (word == "none" || word == "None") return constant(TemplateValue::none());
    if (among(word, {"range", "dict", "lipsum", "cycler", "joiner", "strftime_now", "self", "super", "caller",
                     "varargs", "kwargs", "context"}))
      refuse((is_symbol("(") ? "the function " : "the name ") + word);
    if (among(word, {"and", "or", "in", "is", "if", "else"})) refuse("\"" + word + "\" in place of a value");
    if (is_symbol("(")) return call(word);
    if (word == "namespace" || word == "raise_exception") refuse(word + " without a call");
    if (word == "loop") check_loop();
    return node(Kind::Name, word);
  }

  void check_loop() const {
    if (is(TemplateToken::Kind::Name, "is")) return;
    const TemplateToken* attribute = is_symbol(".") ? &tokens_[at_ + 1] : nullptr;
    if (!attribute) refuse("loop by itself");
    if (!among(attribute->text, {"first", "last", "index", "index0", "revindex", "revindex0", "length"}))
      refuse("loop." + attribute->text);
  }

  TemplateExpression list() {
    TemplateExpression result = node(Kind::List);
    while (!take_symbol("]")) {
      result.parts.push_back(expression());
      if (!is_symbol("]")) expect_symbol(",");
    }
    return result;
  }

  TemplateExpression call(const std::string& word) {
    if (word != "namespace") {
      TemplateExpression result = node(Kind::Call, word);
      arguments(result);
      if (word == "raise_exception" && result.parts.size() != 1)
        refuse("raise_exception without one message");
      return result;
    }
    expect_symbol("(");
    TemplateExpression result = node(Kind::Namespace);
    while (!take_symbol(")")) {
      result.names.push_back(name());
      if (!take_symbol("=")) refuse("namespace of something other than names and values");
      result.parts.push_back(expression());
      if (!is_symbol(")")) expect_symbol(",");
    }
    return result;
  }

  void arguments(TemplateExpression& result) {
    expect_symbol("(");
    while (!take_symbol(")")) {
      result.parts.push_back(expression());
      if (is_symbol("=")) refuse("an argument by name");
      if (!is_symbol(")")) expect_symbol(",");
    }
  }

  TemplateExpression postfix(TemplateExpression object) {
    for (;;) {
      if (take_symbol(".")) {
        if (peek().kind != TemplateToken::Kind::Name) refuse(described(peek()) + " in place of an attribute");
        const std::string attribute = name();
        if (attribute.starts_with("__")) refuse("the attribute " + attribute);
        object = is_symbol("(") ? method(attribute, std::move(object))
                                : inside(Kind::Attribute, attribute, std::move(object));
      } else if (take_symbol("[")) {
        object = subscript(std::move(object));
      } else if (is_symbol("(")) {
        refuse("a call of something other than a name");
      } else {
        return object;
      }
    }
  }
  TemplateExpression inside(Kind kind, std::string text, TemplateExpression operand) const {
    TemplateExpression result = node(kind, std::move(text));
    result.parts.push_back(std::move(operand));
    return result;
  }

  TemplateExpression method(const std::string& word, TemplateExpression object) {
    if (!among(word, {"startswith", "endswith", "split", "strip", "lstrip", "rstrip"}))
      refuse("the method " + word);
    TemplateExpression result = inside(Kind::Method, word, std::move(object));
    arguments(result);
    const std::size_t count = result.parts.size() - 1;
    if (count > 1 || (count == 0 && word.ends_with("with")))
      refuse("the method " + word + " with " + std::to_string(count) + " arguments");
    return result;
  }

  TemplateExpression subscript(TemplateExpression object) {
    TemplateExpression first = is_symbol(":") ? TemplateExpression() : expression();
    if (take_symbol("]")) return pair(Kind::Index, {}, std::move(object), std::move(first));
    TemplateExpression result = pair(Kind::Slice, {}, std::move(object), std::move(first));
    while (!take_symbol("]")) {
      if (result.parts.size() == 4) refuse("a slice of more than three parts");
      expect_symbol(":");
      result.parts.push_back(is_symbol(":") || is_symbol("]") ? TemplateExpression() : expression());
    }
    result.parts.resize(4);
    return result;
  }

  TemplateExpression filters(TemplateExpression operand) {
    for (;;) {
      if (take_symbol("|")) {
        const std::string filter = name();
        if (!among(filter, {"tojson", "length", "count", "trim"})) refuse("the filter " + filter);
        if (is_symbol("(")) refuse("the filter " + filter + " with arguments");
        if (is_symbol(".") || is_symbol("[")) refuse("the part of a filter's result");
        operand = inside(Kind::Filter, filter, std::move(operand));
      } else if (take_name("is")) {
        const bool negated = take_name("not");
        operand = inside(Kind::Test, test(), std::move(operand));
        if (negated) operand = inside(Kind::Not, {}, std::move(operand));
      } else if (is_symbol("(")) {
        refuse("a call of something other than a name");
      } else {
        return operand;
      }
    }
  }
  std::string test() {
    std::string word = name();
    if (!among(word, {"string", "defined", "undefined", "none", "true", "false", "mapping", "iterable",
                      "sequence", "number", "integer", "boolean"}))
      refuse("the test " + word);
    using TokenKind = TemplateToken::Kind;
    const bool operand = peek().kind == TokenKind::String || peek().kind == TokenKind::Integer ||
                         is_symbol("(") || is_symbol("[") || is_symbol("{") ||
                         (peek().kind == TokenKind::Name && !among(peek().text, {"else", "or", "and", "is"}));
    if (operand) refuse("the test " + word + " with an operand");
    return word;
  }

  const std::vector<TemplateToken>& tokens_;
  std::size_t at_ = 0, depth_ = 0;
  TemplatePlace place_;
};

class TemplateParser {
 public:
  TemplateParser(std::string_view source, std::string document)
      : document_(std::move(document)), segments_(TemplateScanner(source, document_).scan()) {}

  TemplateBody parse() {
    TemplateBody result = body({});
    if (at_ < segments_.size()) refuse("the tag " + tag_name());
    return result;
  }

 private:
  using Kind = TemplateStatement::Kind;

  [[noreturn]] void refuse(std::string construct) const {
    TemplatePlace{document_, segments_[std::min(at_, segments_.size() - 1)].line}.refuse(
        std::move(construct));
  }
  TemplateExpressionParser inside() const { return {segments_[at_].tokens, document_}; }
  std::string tag_name() const { return segments_[at_].tokens[0].text; }

  // Statements up to a tag of one of these names, or to the end of the template.
  TemplateBody body(std::initializer_list<std::string_view> ends) {
    if (++depth_ > 30) refuse("tags nested more than 30 levels deep");
    TemplateBody result;
    for (; at_ < segments_.size(); ++at_) {
      const TemplateSegment& segment = segments_[at_];
      if (segment.kind == TemplateSegment::Kind::Text) {
        result.push_back({Kind::Text, segment.line, segment.text});
      } else if (segment.kind == TemplateSegment::Kind::Print) {
        TemplateExpressionParser tokens = inside();
        result.push_back({Kind::Print, segment.line, {}, {tokens.expression()}});
        tokens.expect_end();
      } else {
        const std::string name = tag_name();
        const bool closing = name.starts_with("end") || name == "else" || name == "elif";
        if (std::find(ends.begin(), ends.end(), name) != ends.end() || (closing && ends.size() == 0)) break;
        if (closing) refuse("the tag " + name);
        result.push_back(statement(name));
      }
    }
    if (at_ == segments_.size() && ends.size() > 0) refuse("a tag without " + std::string(*(ends.end() - 1)));
    --depth_;
    return result;
  }

  TemplateStatement statement(const std::string& name) {
    if (name == "if") return condition();
    if (name == "for") return loop();
    if (name == "set") return assignment();
    if (name == "macro") return macro();
    refuse("the tag " + name);
  }

  TemplateStatement condition() {
    TemplateStatement result{Kind::If, segments_[at_].line};
    for (std::string name = "if"; name != "endif";) {
      TemplateExpressionParser tokens = inside();
      tokens.expect_name(name);
      if (name != "else") result.expressions.push_back(tokens.expression());
      tokens.expect_end();
      ++at_;
      result.bodies.push_back(name == "else" ? body({"endif"}) : body({"elif", "else", "endif"}));
      name = tag_name();
    }
    close("endif");
    if (result.bodies.size() == result.expressions.size()) result.bodies.emplace_back();
    return result;
  }

  TemplateStatement loop() {
    TemplateStatement result{Kind::For, segments_[at_].line};
    TemplateExpressionParser tokens = inside();
    tokens.expect_name("for");
    result.text = tokens.name();
    if (tokens.is_symbol(",")) tokens.refuse("a loop with two names");
    if (result.text == "loop") tokens.refuse("a loop over the name loop");
    tokens.expect_name("in");
    result.expressions.push_back(tokens.expression());
    if (result.expressions[0].kind == TemplateExpression::Kind::Conditional)
      tokens.refuse("a loop with a condition");
    if (tokens.take_name("recursive")) tokens.refuse("a recursive loop");
    tokens.expect_end();
    ++at_;
    ++loops_;
    result.bodies.push_back(body({"else", "endfor"}));
    --loops_;
    if (tag_name() == "else") refuse("else of a loop");
    close("endfor");
    return result;
  }

  TemplateStatement assignment() {
    TemplateStatement result{Kind::Set, segments_[at_].line};
    TemplateExpressionParser tokens = inside();
    tokens.expect_name("set");
    result.text = tokens.name();
    if (tokens.take_symbol(".")) result.names.push_back(tokens.name());
    if (tokens.is_symbol(",")) tokens.refuse("a set of several names");
    if (!tokens.take_symbol("=")) tokens.refuse("set without =");
    if (result.text == "loop" || result.text == "namespace") tokens.refuse("set of the name " + result.text);
    result.expressions.push_back(tokens.expression());
    tokens.expect_end();
    return result;
  }

  TemplateStatement macro() {
    if (loops_ > 0) refuse("a macro inside a loop");
    TemplateStatement result{Kind::Macro, segments_[at_].line};
    TemplateExpressionParser tokens = inside();
    tokens.expect_name("macro");
    result.text = tokens.name();
    tokens.expect_symbol("(");
    while (!tokens.take_symbol(")")) {
      result.names.push_back(tokens.name());
      if (tokens.is_symbol("=")) tokens.refuse("a default of a macro's parameter");
      if (!tokens.is_symbol(")")) tokens.expect_symbol(",");
    }
    tokens.expect_end();
    ++at_;
    ++macros_;
    result.bodies.push_back(body({"endmacro"}));
    --macros_;
    if (macros_ > 0) refuse("a macro inside a macro");
    close("endmacro");
    return result;
  }

  void close(std::string_view name) const {
    TemplateExpressionParser tokens = inside();
    tokens.expect_name(name);
    tokens.expect_end();
  }

  std::string document_;
  std::vector<TemplateSegment> segments_;
  std::size_t at_ = 0, depth_ = 0, loops_ = 0, macros_ = 0;
};

}  // namespace vlm::detail
