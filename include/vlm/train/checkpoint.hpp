// Checkpoints of a run: folders out/checkpoint-<step>, each complete or absent. A folder is written under a name that
// ends in .partial, its files synced, and renamed; the older of more than two are removed after that.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <vlm/core/shape.hpp>
#include <vlm/io/file.hpp>

namespace vlm {

// Files of a model folder that belong to it and are carried along unchanged.
inline void copy_companions(const std::string& from, const std::string& to) {
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "chat_template.json",
                           "chat_template.jinja", "preprocessor_config.json", "video_preprocessor_config.json",
                           "processor_config.json", "generation_config.json"})
    if (file_exists(from + "/" + name)) write_file_atomically(to + "/" + name, read_file(from + "/" + name));
}

// Builds a folder aside and puts it at `path` in one rename, replacing what stood there.
template <class Write> void write_folder_atomically(const std::string& path, Write&& write) {
  namespace fs = std::filesystem;
  const std::string partial = path + ".partial", old = path + ".old";
  const auto fail = [&](const std::error_code& error) {
    throw FileError("folder-write", {{"folder", path},
                                     {"expected", "a folder that can be written"},
                                     {"got", error.message()},
                                     {"try", "check the path, its permissions and the free space"}});
  };
  std::error_code error;
  fs::remove_all(partial, error);
  fs::create_directories(partial, error);
  if (error) fail(error);
  write(partial);
  fs::remove_all(old, error);
  if (fs::exists(path)) {
    fs::rename(path, old, error);
    if (error) fail(error);
  }
  fs::rename(partial, path, error);
  if (error) fail(error);
  fs::remove_all(old, error);
}

class CheckpointFolder {
 public:
  explicit CheckpointFolder(std::string out) : out_(std::move(out)) {
    std::error_code error;
    std::filesystem::create_directories(out_, error);
    if (error)
      throw FileError("folder-write", {{"folder", out_}, {"expected", "a folder"}, {"got", error.message()}});
  }

  std::string path(Index step) const { return out_ + "/checkpoint-" + std::to_string(step); }

  // The steps of all complete checkpoints, rising.
  std::vector<Index> steps() const {
    std::vector<Index> found;
    for (const auto& entry : std::filesystem::directory_iterator(out_)) {
      const std::string name = entry.path().filename().string();
      const std::string digits = name.starts_with("checkpoint-") ? name.substr(11) : "";
      if (!digits.empty() && digits.size() < 18 && digits.find_first_not_of("0123456789") == std::string::npos)
        found.push_back(std::stoll(digits));
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  template <class Write> void write(Index step, Write&& write_files) {
    write_folder_atomically(path(step), write_files);
    std::vector<Index> all = steps();
    for (std::size_t i = 0; i + kept < all.size(); ++i) {
      std::error_code ignored;  // a checkpoint that cannot be removed does no harm
      std::filesystem::remove_all(path(all[i]), ignored);
    }
  }

 private:
  static constexpr std::size_t kept = 2;
  std::string out_;
};

}  // namespace vlm
