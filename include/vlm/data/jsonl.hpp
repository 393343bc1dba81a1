// A file of conversations, one JSON object a line. The file is mapped and its lines are parsed when asked
// for; blank lines do not count.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/data/conversation.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>

namespace vlm {

// Many threads may read one object.
class JsonlFile {
 public:
  explicit JsonlFile(const std::string& path) : file_(path) {
    const std::string_view text = file_.text();
    Index number = 1;
    for (std::size_t begin = 0; begin < text.size(); ++number) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      const bool blank = text.substr(begin, end - begin).find_first_not_of(" \t\r") == text.npos;
      if (!blank) lines_.push_back({begin, number});
      begin = end + 1;
    }
  }

  const std::string& path() const { return file_.path(); }
  Index size() const { return static_cast<Index>(lines_.size()); }

  // The text of conversation i, and where it stands.
  std::string_view line(Index i) const {
    const std::string_view text = file_.text();
    const std::size_t begin = at(i).begin;
    return text.substr(begin, std::min(text.find('\n', begin), text.size()) - begin);
  }
  DataPlace place(Index i) const { return {path(), at(i).number}; }

  Conversation conversation(Index i) const {
    const DataPlace where = place(i);
    return parse_conversation(parse(line(i), where), where.file, where.line);
  }

 private:
  struct Line {
    std::size_t begin;
    Index number;
  };

  const Line& at(Index i) const {
    if (i < 0 || i >= size())
      throw DataError("data-index", {{"file", path()},
                                     {"expected", "a conversation from 0 to " + std::to_string(size() - 1)},
                                     {"got", std::to_string(i)}});
    return lines_[static_cast<std::size_t>(i)];
  }

  static Json parse(std::string_view text, const DataPlace& where) {
    try {
      return parse_json(text, where.file);
    } catch (const FileError& error) {
      const std::string at = detail::field_of(error, "at");  // "line 1, column 5"
      detail::throw_data_line(where, at.substr(std::min(at.find("column"), at.size())),
                              detail::field_of(error, "expected"), detail::field_of(error, "got"));
    }
  }

  MappedFile file_;
  std::vector<Line> lines_;
};

}  // namespace vlm
