// Reads boxes, points and spans out of an answer. JSON may stand anywhere in it, in code fences or not, whole or cut
// off by the token limit; what a model thought before </think> is no answer. Anything is an answer: nothing throws.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/io/json.hpp>
#include <vlm/vision/grounding.hpp>

namespace vlm {

// Seconds of "12.5", "12.5 s", "12.5 seconds", "mm:ss", "hh:mm:ss", fractions allowed; nothing for other text.
inline std::optional<double> parse_time(std::string_view text);

// Boxes and points from objects with "bbox_2d" or "point_2d", one or a list of them; spans from objects with "start"
// and "end" (or "start_time" and "end_time"), or with two times under "times", "time", "timestamps" or "span"; where an
// answer has no JSON object, spans also from its words, "from 3.0 to 12.4 seconds" or "00:03 - 00:12". Labels from
// "label", or else "text_content", "caption", "description", "event". `source` is the size of the picture.
inline Grounding parse_grounding(std::string_view answer, ImageSize source);

namespace detail {

inline bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// A time at the front of `text`, which is cut off: digits with a fraction, or two or three of them and colons.
struct WrittenTime {
  double seconds = 0;
  bool clock = false, unit = false;  // has colons; has "s" or "seconds"
};
inline std::optional<WrittenTime> take_time(std::string_view& text) {
  WrittenTime time;
  std::string_view rest = text;
  for (int part = 0;; ++part) {
    if (rest.empty() || !is_ascii_digit(rest[0])) return std::nullopt;
    double value = 0;
    const auto [end, error] =
        std::from_chars(rest.data(), rest.data() + rest.size(), value, std::chars_format::fixed);
    if (error != std::errc() || !(value <= 1e9) || (part > 0 && value >= 60)) return std::nullopt;
    const std::string_view digits = rest.substr(0, static_cast<std::size_t>(end - rest.data()));
    rest.remove_prefix(digits.size());
    time.seconds = time.seconds * 60 + value;
    const bool more = rest.size() > 1 && rest[0] == ':' && is_ascii_digit(rest[1]);
    if (!more) break;
    if (part == 2 || digits.find('.') != digits.npos) return std::nullopt;
    time.clock = true;
    rest.remove_prefix(1);
  }
  std::string_view word = rest;
  if (word.starts_with(' ')) word.remove_prefix(1);
  for (const std::string_view unit : {"seconds", "second", "secs", "sec", "s"})
    if (word.starts_with(unit) && (word.size() == unit.size() || !is_ascii_letter(word[unit.size()]))) {
      time.unit = true;
      rest = word.substr(unit.size());
      break;
    }
  text = rest;
  return time;
}

class GroundingReader {
 public:
  GroundingReader(std::string_view answer, ImageSize source) : answer_(answer), source_(source) {
    scan(0, answer.size(), 0);
    if (objects_ == 0) read_words();
  }
  Grounding result() && { return std::move(result_); }

 private:
  static constexpr int deepest = 16;  // objects that do not parse are searched for others inside

  // Reads every outermost JSON object between two places.
  void scan(std::size_t from, std::size_t end, int depth) {
    while (from < end && (from = answer_.find('{', from)) < end) {
      const std::size_t close = matching_brace(from, end);
      const bool parsed = close < end && read_object(answer_.substr(from, close + 1 - from));
      if (parsed) {
        from = close + 1;
        continue;
      }
      const std::size_t stop = std::min(close, end), known = result_.problems.size();
      const int before = objects_;
      if (depth < deepest) scan(from + 1, stop, depth + 1);
      if (objects_ == before && result_.problems.size() == known) note_unread(from, stop, close >= end);
      from = stop + 1;
    }
  }

  // Where the object that opens at `from` closes, or `end`; braces in strings do not count.
  std::size_t matching_brace(std::size_t from, std::size_t end) const {
    int depth = 0;
    bool in_string = false;
    for (std::size_t at = from; at < end; ++at) {
      const char c = answer_[at];
      if (in_string) {
        at += c == '\\';
        in_string = c != '"';
      } else if (c == '"') {
        in_string = true;
      } else if (c == '{') {
        ++depth;
      } else if (c == '}' && --depth == 0) {
        return at;
      }
    }
    return end;
  }

  void note_unread(std::size_t from, std::size_t end, bool cut_off) {
    const std::string_view text = answer_.substr(from, end - from);
    for (const char* key : {"\"bbox_2d\"", "\"point_2d\""})
      if (text.find(key) != text.npos)
        return problem(std::string(key) + " in an object that is " + (cut_off ? "cut off" : "no JSON"));
  }

  bool read_object(std::string_view text) {
    try {
      walk(parse_json(text, "answer"));
    } catch (const FileError&) {
      return false;
    }
    ++objects_;
    return true;
  }

  void walk(const Json& value) {
    if (value.is_array())
      for (const Json& item : value.items()) walk(item);
    if (!value.is_object()) return;
    read_members(value);
    for (const auto& [key, member] : value.members())
      if (key != "bbox_2d" && key != "point_2d") walk(member);
  }

  void read_members(const Json& object) {
    const std::string label = label_of(object);
    if (const Json* boxes = object.find("bbox_2d")) read_each<4>(*boxes, label);
    if (const Json* points = object.find("point_2d")) read_each<2>(*points, label);
    for (const auto& [start, end] : {std::pair("start", "end"), std::pair("start_time", "end_time")})
      if (object.find(start) && object.find(end)) add_span(*object.find(start), *object.find(end), label);
    for (const char* key : {"times", "time", "timestamps", "span"})
      if (const Json* pair = object.find(key); pair && pair->is_array()) read_spans(*pair, label);
  }

  static std::string label_of(const Json& object) {
    for (const char* key : {"label", "text_content", "caption", "description", "event"})
      if (const Json* label = object.find(key); label && label->is_string()) return label->string();
    return {};
  }

  // One list of `Count` numbers, or a list of such lists.
  template <std::size_t Count>
  void read_each(const Json& value, const std::string& label) {
    const bool nested = value.is_array() && !value.items().empty() && value.items().front().is_array();
    if (!nested) return read_one<Count>(value, label);
    for (const Json& one : value.items()) read_one<Count>(one, label);
  }

  template <std::size_t Count>
  void read_one(const Json& value, const std::string& label) {
    const std::string expected = std::string(Count == 4 ? "four" : "two") + " numbers from 0 to 1000";
    if (!value.is_array() || value.items().size() != Count)
      return problem(
          value.path() + ": expected " + expected + ", got " +
          (value.is_array() ? std::to_string(value.items().size()) + " values" : kind_and_value(value)));
    std::array<double, Count> numbers{};
    for (std::size_t i = 0; i < Count; ++i) {
      const Json& item = value.items()[i];
      if (!item.is_number() || !(item.number() >= 0 && item.number() <= 1000))
        return problem(item.path() + ": expected a number from 0 to 1000, got " + kind_and_value(item));
      numbers[i] = source_coordinate(item.number(), i % 2 == 0 ? source_.width : source_.height);
    }
    if constexpr (Count == 2) {
      result_.points.push_back({numbers[0], numbers[1], label});
    } else {
      if (numbers[0] > numbers[2] || numbers[1] > numbers[3])
        problem(value.path() + ": expected the upper left corner first, got the corners in another order");
      result_.boxes.push_back({std::min(numbers[0], numbers[2]), std::min(numbers[1], numbers[3]),
                               std::max(numbers[0], numbers[2]), std::max(numbers[1], numbers[3]), label});
    }
  }

  void read_spans(const Json& value, const std::string& label) {
    const std::vector<Json>& items = value.items();
    if (!items.empty() && items.front().is_array()) {
      for (const Json& one : items) {
        if (one.is_array()) {
          read_spans(one, label);
        } else {
          problem(one.path() + ": expected two times, got " + kind_and_value(one));
        }
      }
    } else if (items.size() == 2) {
      add_span(items[0], items[1], label);
    } else {
      problem(value.path() + ": expected two times, got " + std::to_string(items.size()) + " values");
    }
  }

  void add_span(const Json& start, const Json& end, const std::string& label) {
    std::array<double, 2> seconds{};
    for (std::size_t i = 0; i < 2; ++i) {
      const Json& value = i == 0 ? start : end;
      std::optional<double> time;
      if (value.is_string()) time = parse_time(value.string());
      if (value.is_number() && value.number() >= 0 && value.number() <= 1e9) time = value.number();
      if (!time) return problem(value.path() + ": expected a time, got " + kind_and_value(value));
      seconds[i] = *time;
    }
    add_span(seconds[0], seconds[1], label, start.path());
  }
  void add_span(double start, double end, const std::string& label, const std::string& place) {
    if (start > end) problem(place + ": expected the start first, got the end before it");
    result_.spans.push_back({std::min(start, end), std::max(start, end), label});
  }

  // "3.0 to 12.4 seconds", "00:03 - 00:12": two times with a word or dash between, clocks or with a unit.
  void read_words() {
    for (std::size_t at = 0; at < answer_.size();) {
      const bool begins = is_ascii_digit(answer_[at]) && (at == 0 || !continues_number(answer_[at - 1]));
      std::string_view rest = answer_.substr(at);
      std::optional<WrittenTime> start, end;
      if (begins) start = take_time(rest);
      if (start && take_separator(rest)) end = take_time(rest);
      if (end && ((start->clock && end->clock) || end->unit)) {
        add_span(start->seconds, end->seconds, {}, "span in the text");
        at = answer_.size() - rest.size();
      } else {
        ++at;
      }
    }
  }
  static bool continues_number(char c) {
    return is_ascii_digit(c) || is_ascii_letter(c) || c == '.' || c == ':' || c == '-';
  }
  static bool take_separator(std::string_view& text) {
    const auto skip_spaces = [&text] {
      while (text.starts_with(' ')) text.remove_prefix(1);
    };
    skip_spaces();
    for (const std::string_view word : {"to ", "and ", "until ", "-", "\xe2\x80\x93", "\xe2\x80\x94", "~"})
      if (text.starts_with(word)) {
        text.remove_prefix(word.size());
        skip_spaces();
        return true;
      }
    return false;
  }

  void problem(std::string text) { result_.problems.push_back(std::move(text)); }

  std::string_view answer_;
  ImageSize source_;
  Grounding result_;
  int objects_ = 0;
};

}  // namespace detail

inline std::optional<double> parse_time(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  const std::optional<detail::WrittenTime> time = detail::take_time(text);
  if (!time || !text.empty()) return std::nullopt;
  return time->seconds;
}

inline Grounding parse_grounding(std::string_view answer, ImageSize source) {
  check_image_size(source.height, source.width, "source of an answer");
  constexpr std::string_view thought = "</think>";
  if (const std::size_t end = answer.rfind(thought); end != answer.npos)
    answer.remove_prefix(end + thought.size());
  return detail::GroundingReader(answer, source).result();
}

}  // namespace vlm
