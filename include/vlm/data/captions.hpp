// Images with captions as conversations, and a folder of them: either metadata.jsonl with lines
// {"file_name": "cat.jpg", "text": "A cat."}, or for each image cat.jpg a text cat.txt.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/data/conversation.hpp>
#include <vlm/data/jsonl.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/folder.hpp>

namespace vlm {

namespace detail {

// The user shows the images, with a question unless it is empty; the assistant writes the caption, without white space
// around it.
inline Conversation captioned(const std::vector<std::string>& images, std::string_view caption,
                              const std::string& question, DataPlace place, const std::string& field) {
  constexpr std::string_view space = " \t\r\n";
  caption.remove_prefix(std::min(caption.find_first_not_of(space), caption.size()));
  caption.remove_suffix(caption.size() - (caption.find_last_not_of(space) + 1));  // npos + 1 is zero
  if (caption.empty()) throw_data_line(place, field, "a caption", "none");
  Message user{"user", {}};
  for (const std::string& image : images) user.content.push_back(ContentItem::image(image));
  if (!question.empty()) user.content.push_back(ContentItem::from_text(question));
  Message answer{"assistant", {ContentItem::from_text(std::string(caption))}};
  return {{}, {std::move(user), std::move(answer)}, std::move(place), {}};
}

// The member `text` or `caption` of a record.
inline const std::string& caption_of(const Json& record, const DataPlace& place) {
  const Json* text = record.find("text");
  if (!text) text = record.find("caption");
  if (text && text->is_string()) return text->string();
  throw_data_line(place, "text", "a caption, under \"text\" or \"caption\"",
                  text ? kind_and_value(*text) : "no member of these names");
}

// By the ending of a name.
inline bool names_image(std::string_view name) {
  std::string ending(name.substr(std::min(name.rfind('.'), name.size())));
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const std::string_view known :
       {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm"})
    if (ending == known) return true;
  return false;
}

}  // namespace detail

// Many threads may read one object.
class CaptionFolder {
 public:
  // `question` is asked beside each image.
  explicit CaptionFolder(const std::string& path, std::string question = {})
      : path_(path), question_(std::move(question)) {
    if (const std::string list = path_ + "/metadata.jsonl"; file_exists(list)) {
      list_.emplace(list);
      return;
    }
    for (std::string& name : folder_names(path_))
      if (detail::names_image(name)) names_.push_back(std::move(name));
    std::sort(names_.begin(), names_.end());
  }

  const std::string& path() const { return path_; }
  Index size() const { return list_ ? list_->size() : static_cast<Index>(names_.size()); }

  DataPlace place(Index i) const { return list_ ? list_->place(i) : DataPlace{caption_file(i), 1}; }

  Conversation conversation(Index i) const {
    const DataPlace where = place(i);
    if (!list_) {
      if (!file_exists(where.file))
        detail::throw_data_line(where, "caption", "the caption of " + name(i), "no such file",
                                "write one, or take the image away");
      return detail::captioned({path_ + "/" + name(i)}, read_file(where.file), question_, where, "caption");
    }
    const Json record = detail::parse_record(list_->line(i), where);
    const Json* file = record.find("file_name");
    if (!file || !file->is_string() || file->string().empty())
      detail::throw_data_line(where, "file_name", "the name of an image in this folder",
                              file ? detail::kind_and_value(*file) : "no member of this name");
    return detail::captioned({path_ + "/" + file->string()}, detail::caption_of(record, where), question_,
                             where, "text");
  }

 private:
  const std::string& name(Index i) const {
    if (i < 0 || i >= size())
      throw DataError("data-index", {{"file", path_},
                                     {"expected", "an image from 0 to " + std::to_string(size() - 1)},
                                     {"got", std::to_string(i)},
                                     {"try", "an index below size()"}});
    return names_[static_cast<std::size_t>(i)];
  }
  std::string caption_file(Index i) const {
    const std::string& image = name(i);
    return path_ + "/" + image.substr(0, image.rfind('.')) + ".txt";
  }

  std::string path_, question_;
  std::optional<JsonlFile> list_;
  std::vector<std::string> names_;  // of images, in their order
};

}  // namespace vlm
