// The source of a chat template (the language Jinja) cut into text, {{ printed expressions }} and {% tags %}, white
// space taken away as with trim_blocks and lstrip_blocks; and the tokens inside. What is not understood is a
// ConfigError [chat-template] that names it and its line.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/text/template_value.hpp>
#include <vlm/text/unicode.hpp>

namespace vlm::detail {

// Where errors are: the name of the template's file and the line.
struct TemplatePlace {
  std::string document;
  std::size_t line = 1;

  [[noreturn]] void refuse(std::string construct) const {
    throw ConfigError("chat-template",
                      {{"file", document},
                       {"at", "line " + std::to_string(line)},
                       {"expected", "a construct that this interpreter of templates knows"},
                       {"got", std::move(construct)},
                       {"try", "the template that the model was published with, or a simpler one"}});
  }
};

struct TemplateToken {
  enum class Kind : std::uint8_t { Name, Integer, String, Symbol, End };
  Kind kind = Kind::End;
  std::string text;  // of a string its value
  std::size_t line = 1;
};

struct TemplateSegment {
  enum class Kind : std::uint8_t { Text, Print, Tag };
  Kind kind;
  std::string text;                   // of a text
  std::vector<TemplateToken> tokens;  // of the others; the last one is End
  std::size_t line;
};

class TemplateScanner {
 public:
  TemplateScanner(std::string_view source, std::string document) : place_{std::move(document)} {
    for (std::size_t i = 0; i < source.size(); ++i) {
      if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
      source_ += source[i] == '\r' ? '\n' : source[i];
    }
    if (source_.ends_with('\n')) source_.pop_back();
  }

  std::vector<TemplateSegment> scan() {
    while (at_ < source_.size()) {
      const std::size_t open = find_opening();
      take_text(open);
      if (at_ == source_.size()) break;
      const char kind = source_[at_ + 1];
      place_.line = line_at(at_);
      at_ += 2;
      if (is_at("+")) place_.refuse("the mark {" + std::string(1, kind) + "+");
      at_ += is_at("-");
      if (kind == '#') {
        skip_comment();
        continue;
      }
      TemplateSegment segment{
          kind == '{' ? TemplateSegment::Kind::Print : TemplateSegment::Kind::Tag, {}, {}, place_.line};
      scan_tokens(segment, kind == '{' ? "}}" : "%}");
      segments_.push_back(std::move(segment));
    }
    return std::move(segments_);
  }

 private:
  bool is_at(std::string_view words) const {
    return std::string_view(source_).substr(at_).starts_with(words);
  }

  std::size_t line_at(std::size_t at) const {
    return 1 + static_cast<std::size_t>(
                   std::count(source_.begin(), source_.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
  }

  // Where the next {{, {% or {# stands, or the end.
  std::size_t find_opening() const {
    for (std::size_t at = at_; (at = source_.find('{', at)) != source_.npos; ++at)
      if (at + 1 < source_.size() && std::string_view("{%#").find(source_[at + 1]) != std::string_view::npos)
        return at;
    return source_.size();
  }

  // The text up to `open`, less the white space that what opens there takes away.
  void take_text(std::size_t open) {
    std::string_view text = std::string_view(source_).substr(at_, open - at_);
    if (open < source_.size()) {
      if (open + 2 < source_.size() && source_[open + 2] == '-') {
        text = stripped(text, false, true, is_python_space);
      } else if (source_[open + 1] != '{') {            // a tag that stands alone before its line
        const std::size_t line = text.rfind('\n') + 1;  // npos + 1 is zero
        if ((line > 0 || line_starts_) && stripped(text.substr(line), true, true, is_python_space).empty())
          text = text.substr(0, line);
      }
    }
    if (!text.empty())
      segments_.push_back({TemplateSegment::Kind::Text, std::string(text), {}, line_at(at_)});
    at_ = open;
  }

  void skip_comment() {
    const std::size_t end = source_.find("#}", at_);
    if (end == source_.npos) place_.refuse("a comment without an end");
    const bool strips = end > at_ && source_[end - 1] == '-';
    if (end > at_ && source_[end - 1] == '+') place_.refuse("the mark +#}");
    at_ = end + 2;
    skip_after(strips, true);
  }

  // White space after an end: all of it, or the line break after a tag.
  void skip_after(bool strips, bool tag) {
    const std::size_t begin = at_;
    if (strips) {
      const std::string_view rest = std::string_view(source_).substr(at_);
      at_ += rest.size() - stripped(rest, true, false, is_python_space).size();
    } else if (tag && is_at("\n")) {
      ++at_;
    }
    line_starts_ = at_ > begin && source_[at_ - 1] == '\n';
  }

  void scan_tokens(TemplateSegment& segment, std::string_view end) {
    for (;;) {
      while (at_ < source_.size() && std::string_view(" \t\n").find(source_[at_]) != std::string_view::npos)
        ++at_;
      place_.line = line_at(at_);
      const bool strips = is_at("-" + std::string(end));
      if (strips || is_at(end)) {
        at_ += end.size() + strips;
        segment.tokens.push_back({TemplateToken::Kind::End, std::string(end), place_.line});
        return skip_after(strips, end == "%}");
      }
      if (at_ == source_.size()) place_.refuse("a tag without " + std::string(end));
      if (is_at("+" + std::string(end))) place_.refuse("the mark +" + std::string(end));
      segment.tokens.push_back(token());
    }
  }

  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static bool is_word(char c) {
    return c == '_' || is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }

  TemplateToken token() {
    const char c = source_[at_];
    if (c == '"' || c == '\'') return {TemplateToken::Kind::String, string(c), place_.line};
    if (is_word(c)) {
      const std::size_t begin = at_;
      while (at_ < source_.size() && is_word(source_[at_])) ++at_;
      std::string word = source_.substr(begin, at_ - begin);
      if (!is_digit(c)) return {TemplateToken::Kind::Name, std::move(word), place_.line};
      const bool fraction = at_ + 1 < source_.size() && source_[at_] == '.' && is_digit(source_[at_ + 1]);
      if (fraction || word.size() > 18 || !std::all_of(word.begin(), word.end(), is_digit))
        place_.refuse("the number " + word + (fraction ? "." : ""));
      return {TemplateToken::Kind::Integer, std::move(word), place_.line};
    }
    for (const std::string_view symbol : {"==", "!=", ">=", "<=", "//", "**"})
      if (is_at(symbol)) return symbol_token(symbol);
    if (std::string_view("+-~*/%=<>.,:|()[]{}").find(c) != std::string_view::npos)
      return symbol_token({&c, 1});
    place_.refuse("the character \"" + std::string(1, c) + "\"");
  }
  TemplateToken symbol_token(std::string_view symbol) {
    at_ += symbol.size();
    return {TemplateToken::Kind::Symbol, std::string(symbol), place_.line};
  }

  std::string string(char quote) {
    std::string text;
    for (++at_; at_ < source_.size() && source_[at_] != quote; ++at_) {
      if (source_[at_] != '\\') {
        text += source_[at_];
        continue;
      }
      if (++at_ == source_.size()) break;
      escape(text);
    }
    if (at_ == source_.size()) place_.refuse("a string without an end");
    ++at_;
    return text;
  }

  void escape(std::string& text) {
    constexpr std::string_view letters = "ntrbf\\'\"", values = "\n\t\r\b\f\\'\"";
    const char c = source_[at_];
    if (const std::size_t found = letters.find(c); found != letters.npos) {
      text += values[found];
      return;
    }
    const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0 || at_ + digits >= source_.size()) place_.refuse("the escape \\" + std::string(1, c));
    char32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const std::size_t digit =
          std::string_view("0123456789abcdef").find(static_cast<char>(source_[++at_] | 0x20));
      if (digit > 15) place_.refuse("the escape \\" + std::string(1, c) + " without its digits");
      value = value << 4 | static_cast<char32_t>(digit);
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) place_.refuse("an escape of no character");
    append_utf8(text, value);
  }

  TemplatePlace place_;
  std::string source_;
  std::size_t at_ = 0;
  bool line_starts_ = true;  // what was just taken ends a line
  std::vector<TemplateSegment> segments_;
};

}  // namespace vlm::detail
