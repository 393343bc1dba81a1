// Checkpoints of a run: folders out/checkpoint-<step>, each complete or absent. A folder is
// written under a name that ends in .partial, its files synced and sealed with their checksums, and
// renamed; the oldest are removed after that.
#pragma once

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <vlm/core/shape.hpp>
#include <vlm/io/checkpoint.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/folder.hpp>
#include <vlm/io/folder_lock.hpp>

namespace vlm {

// Files of a model folder that belong to it and are carried along unchanged.
inline void copy_companions(const std::string& from, const std::string& to) {
  for (const char* name :
       {"tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "chat_template.json",
        "chat_template.jinja", "preprocessor_config.json", "video_preprocessor_config.json",
        "processor_config.json", "generation_config.json"})
    if (file_exists(from + "/" + name)) write_file_atomically(to + "/" + name, read_file(from + "/" + name));
}

class CheckpointFolder {
 public:
  // Keeps the newest `kept`. Throws FileError [folder-in-use] while another run has the folder.
  explicit CheckpointFolder(std::string out, Index kept = 2)
      : out_(std::move(out)), kept_(static_cast<std::size_t>(kept)), lock_(made(out_)) {
    for (const std::string& name : folder_names(out_))  // of a run that was killed
      if (name.starts_with("checkpoint-") && (name.ends_with(".partial") || name.ends_with(".old")))
        remove_folder(out_ + "/" + name);
  }

  std::string path(Index step) const { return out_ + "/checkpoint-" + std::to_string(step); }

  // The steps of all complete checkpoints, rising.
  std::vector<Index> steps() const {
    std::vector<Index> found;
    for (const std::string& name : folder_names(out_)) {
      const std::string digits = name.starts_with("checkpoint-") ? name.substr(11) : "";
      if (!digits.empty() && digits.size() < 18 &&
          digits.find_first_not_of("0123456789") == std::string::npos)
        found.push_back(std::stoll(digits));
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  // The step of the newest checkpoint, which has been verified; none where there is none.
  std::optional<Index> newest() const {
    const std::vector<Index> all = steps();
    if (all.empty()) return std::nullopt;
    verify(all.back());
    return all.back();
  }

  // Reads the whole checkpoint. Throws FileError [checkpoint] where a byte is not as it was written.
  void verify(Index step) const { verify_checkpoint(path(step)); }

  template <class Write>
  void write(Index step, Write&& write_files) {
    write_folder_atomically(path(step), [&](const std::string& partial) {
      write_files(partial);
      seal_checkpoint(partial);
    });
    const std::vector<Index> all = steps();
    for (std::size_t i = 0; i + kept_ < all.size(); ++i) {
      std::rename(path(all[i]).c_str(), (path(all[i]) + ".old").c_str());  // absent at once, then removed
      remove_folder(path(all[i]) + ".old");
    }
  }

 private:
  static std::string made(std::string path) {
    make_folder(path);
    return path;
  }

  std::string out_;
  std::size_t kept_;
  FolderLock lock_;
};

}  // namespace vlm
