// A shard of WebDataset: a tar archive in which members side by side with one key make a sample. The key of a member is
// its name up to the first dot after the last slash: "a/7.jpg", "a/7.json" and "a/7.2.png" have the key "a/7".
// A sample is either its .json, a record or {"text": "a caption"}, or its .txt, a caption. The record's relative paths
// name members beside it; one that names no pictures has those of the sample, in the order of the archive.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/data/captions.hpp>
#include <vlm/data/conversation.hpp>
#include <vlm/data/jsonl.hpp>
#include <vlm/io/tar_file.hpp>

namespace vlm {

// Many threads may read one object.
class WebDatasetShard {
 public:
  // `question` is asked beside the images of a caption.
  explicit WebDatasetShard(const std::string& path, std::string question = {}, RecordOptions options = {})
      : file_(path), question_(std::move(question)), options_(std::move(options)) {
    std::string_view last;
    for (std::size_t m = 0; m < file_.members().size(); ++m) {
      const std::string_view key = key_of(file_.members()[m].name);
      if (samples_.empty() || key != last) samples_.push_back(m);
      last = key;
    }
  }

  const std::string& path() const { return file_.path(); }
  Index size() const { return static_cast<Index>(samples_.size()); }

  // The place is in the member that tells the sample: "shard.tar/7.json".
  DataPlace place(Index i) const {
    const Sample sample = sample_at(i);
    return {path() + "/" + (sample.text ? sample.text->name : sample.key), 1};
  }

  Conversation conversation(Index i) const {
    const Sample sample = sample_at(i);
    const DataPlace where = place(i);
    if (!sample.text) detail::throw_data_line(where, "members", "one member .json or .txt", "none of them");
    const std::string_view text = file_.bytes(*sample.text);
    if (!sample.is_json) return detail::captioned(sample.images, text, question_, where, "caption");
    const Json record = detail::parse_record(text, where);
    if (!record.find("messages") && !record.find("conversations"))
      return detail::captioned(sample.images, detail::caption_of(record, where), question_, where, "text");
    RecordOptions options = options_;
    options.images = sample.images;
    return parse_conversation(record, where.file, where.line, options);
  }

 private:
  struct Sample {
    std::string key;
    const TarFile::Member* text;  // .json, or else .txt
    bool is_json;
    std::vector<std::string> images;
  };

  static std::string_view key_of(std::string_view name) {
    const std::size_t base = name.rfind('/') + 1;  // npos + 1 is zero
    return name.substr(0, name.find('.', base));
  }

  Sample sample_at(Index i) const {
    if (i < 0 || i >= size())
      throw DataError("data-index", {{"file", path()},
                                     {"expected", "a sample from 0 to " + std::to_string(size() - 1)},
                                     {"got", std::to_string(i)},
                                     {"try", "an index below size()"}});
    const auto index = static_cast<std::size_t>(i);
    const std::size_t end = index + 1 < samples_.size() ? samples_[index + 1] : file_.members().size();
    Sample sample{std::string(key_of(file_.members()[samples_[index]].name)), nullptr, false, {}};
    for (std::size_t m = samples_[index]; m < end; ++m) {
      const TarFile::Member& member = file_.members()[m];
      const bool json = member.name.ends_with(".json");
      if (detail::names_image(member.name)) sample.images.push_back(path() + "/" + member.name);
      if (!json && (!member.name.ends_with(".txt") || sample.is_json)) continue;
      sample.text = &member;
      sample.is_json = json;
    }
    return sample;
  }

  TarFile file_;
  std::string question_;
  RecordOptions options_;
  std::vector<std::size_t> samples_;  // the first member of each
};

}  // namespace vlm
