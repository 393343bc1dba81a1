// A file of conversations: one JSON object a line, or one JSON array of objects. The file is mapped and passed over once
// for the places of its records, which are parsed when asked for; blank lines do not count.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/data/conversation.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>

namespace vlm {

namespace detail {

// A record of a file; FileError [json-syntax] becomes DataError [data-line].
inline Json parse_record(std::string_view text, const DataPlace& where) {
  try {
    return parse_json(text, where.file);
  } catch (const FileError& error) {
    const std::string at = field_of(error, "at");  // "line 1, column 5"
    throw_data_line(where, at.substr(std::min(at.find("column"), at.size())), field_of(error, "expected"),
                    field_of(error, "got"));
  }
}

}  // namespace detail

// Many threads may read one object.
class JsonlFile {
 public:
  // An array is what begins with "[": DataError [data-line] where its records do not follow each other.
  explicit JsonlFile(const std::string& path, RecordOptions options = {})
      : file_(path), options_(std::move(options)) {
    const std::string_view text = file_.text();
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first != text.npos && text[first] == '[')
      find_items(text, first);
    else
      find_lines(text);
  }

  const std::string& path() const { return file_.path(); }
  Index size() const { return static_cast<Index>(lines_.size()); }

  // The text of conversation i, and where it begins.
  std::string_view line(Index i) const { return file_.text().substr(at(i).begin, at(i).size); }
  DataPlace place(Index i) const { return {path(), at(i).number}; }

  Conversation conversation(Index i) const {
    const DataPlace where = place(i);
    return parse_conversation(detail::parse_record(line(i), where), where.file, where.line, options_);
  }

 private:
  struct Line {
    std::size_t begin, size;
    Index number;
  };

  const Line& at(Index i) const {
    if (i < 0 || i >= size())
      throw DataError("data-index", {{"file", path()},
                                     {"expected", "a conversation from 0 to " + std::to_string(size() - 1)},
                                     {"got", std::to_string(i)},
                                     {"try", "an index below size()"}});
    return lines_[static_cast<std::size_t>(i)];
  }

  void find_lines(std::string_view text) {
    Index number = 1;
    for (std::size_t begin = 0; begin < text.size(); ++number) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      const std::string_view line = text.substr(begin, end - begin);
      if (line.find_first_not_of(" \t\r") != line.npos) lines_.push_back({begin, end - begin, number});
      begin = end + 1;
    }
  }

  // The items of the array that opens at `open`. Only what tells them apart is looked at; parsing sees the rest.
  void find_items(std::string_view text, std::size_t open) {
    Index number = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(open), '\n');
    std::size_t depth = 0, begin = text.npos, last = 0;  // `begin` and `last` character of the item
    Index first_line = number;
    const auto finish = [&](char got) {
      if (begin == text.npos) {
        if (got == ']' && lines_.empty()) return;
        detail::throw_data_line({path(), number}, "top level", "a record", std::string("\"") + got + "\"");
      }
      lines_.push_back({begin, last + 1 - begin, first_line});
      begin = text.npos;
    };
    for (std::size_t i = open + 1; i < text.size(); ++i) {
      const char c = text[i];
      if (c == '\n') ++number;
      if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
      if (depth == 0 && (c == ',' || c == ']')) {
        finish(c);
        if (c == ',') continue;
        const std::size_t rest = text.find_first_not_of(" \t\r\n", i + 1);
        if (rest == text.npos) return;
        detail::throw_data_line({path(), number}, "top level", "nothing after the array", "more text");
      }
      if (begin == text.npos) begin = i, first_line = number;
      if (c == '"') i = end_of_string(text, i);
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && depth > 0) --depth;
      last = i;
    }
    detail::throw_data_line({path(), number}, "top level", "the \"]\" of the array of records",
                            "the end of the file");
  }
  // The closing quote, or the last character.
  static std::size_t end_of_string(std::string_view text, std::size_t quote) {
    for (std::size_t i = quote + 1; i < text.size(); ++i) {
      if (text[i] == '\\')
        ++i;
      else if (text[i] == '"')
        return i;
    }
    return text.size() - 1;
  }

  MappedFile file_;
  RecordOptions options_;
  std::vector<Line> lines_;
};

}  // namespace vlm
