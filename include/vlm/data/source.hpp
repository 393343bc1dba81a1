// A source of conversations: any file or folder that the readers of this room know, as a list of conversations.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/data/captions.hpp>
#include <vlm/data/conversation.hpp>
#include <vlm/data/data_line.hpp>
#include <vlm/data/jsonl.hpp>
#include <vlm/data/web_dataset.hpp>
#include <vlm/io/folder.hpp>

namespace vlm {

// An epoch takes weight * size of its conversations: each once for 1, a fresh random half of them for 0.5, each twice
// for 2.
struct Source {
  // A folder of images with captions; an archive "NAME.tar" of WebDataset; or a file of JSON, either an array or a
  // record a line. "set-{000..127}.tar" stands for 128 files, which count as one.
  std::string path;
  double weight = 1;
  RecordFormat format = RecordFormat::Recognised;  // of records
  std::string media{};     // folder where relative paths of images and videos start; empty: that of the file
  std::string question{};  // asked beside the images of a caption; empty: the images alone
  Unusable bad_line = Unusable::Refuse;
};

// The paths that "a-{08..11}.b" stands for: a-08.b, a-09.b, a-10.b, a-11.b. Without braces the path itself.
// ConfigError [data-path].
inline std::vector<std::string> expand_path(const std::string& path) {
  const std::size_t open = path.find('{'), dots = path.find("..", open), close = path.find('}', dots);
  if (open == path.npos || dots == path.npos || close == path.npos) return {path};
  const std::string_view text = path;
  const std::string_view first = text.substr(open + 1, dots - open - 1),
                         last = text.substr(dots + 2, close - dots - 2);
  const auto number = [](std::string_view digits) {
    Index value = -1;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && stop == digits.data() + digits.size() ? value : Index{-1};
  };
  const Index begin = number(first), end = number(last);
  if (begin < 0 || end < begin || end - begin >= 1 << 20)
    throw ConfigError("data-path", {{"file", path},
                                    {"expected", "two rising numbers in {000..127}, at most 1048576 files"},
                                    {"got", std::string(text.substr(open, close + 1 - open))},
                                    {"try", "set-{000..127}.tar for 128 files, or a path without braces"}});
  std::vector<std::string> paths;
  for (Index i = begin; i <= end; ++i) {
    std::string digits = std::to_string(i);
    if (digits.size() < first.size()) digits.insert(0, first.size() - digits.size(), '0');
    for (std::string& rest : expand_path(path.substr(close + 1)))
      paths.push_back(path.substr(0, open) + digits + std::move(rest));
  }
  return paths;
}

// The conversations of a source in the order of its files. Many threads may read one object.
class SourceFiles {
 public:
  explicit SourceFiles(const Source& source) {
    const RecordOptions options{source.format, source.media, {}};
    for (const std::string& path : expand_path(source.path)) {
      begins_.push_back(size_);
      if (is_folder(path))
        files_.emplace_back(std::in_place_type<CaptionFolder>, path, source.question);
      else if (path.ends_with(".tar"))
        files_.emplace_back(std::in_place_type<WebDatasetShard>, path, source.question, options);
      else
        files_.emplace_back(std::in_place_type<JsonlFile>, path, options);
      size_ += std::visit([](const auto& file) { return file.size(); }, files_.back());
    }
  }

  Index size() const { return size_; }
  DataPlace place(Index i) const {
    const auto [file, k] = at(i);
    return std::visit([number = k](const auto& known) { return known.place(number); }, *file);
  }
  Conversation conversation(Index i) const {
    const auto [file, k] = at(i);
    return std::visit([number = k](const auto& known) { return known.conversation(number); }, *file);
  }

 private:
  using File = std::variant<JsonlFile, WebDatasetShard, CaptionFolder>;

  // The file of conversation i, and its number there.
  std::pair<const File*, Index> at(Index i) const {
    const auto next = std::upper_bound(begins_.begin() + 1, begins_.end(), i);
    const auto file = static_cast<std::size_t>(next - begins_.begin()) - 1;
    return {&files_[file], i - begins_[file]};
  }

  std::vector<File> files_;
  std::vector<Index> begins_;  // of each file among the conversations
  Index size_ = 0;
};

}  // namespace vlm
