// The images that conversations name, with the most recent IDX files kept open: one such file holds many.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <vlm/vision/load_image.hpp>
#include <vlm/vision/patches.hpp>

namespace vlm {

// Gives what load_image gives. Many threads may use one object. A file must not change while it is open.
class ImageFiles {
 public:
  explicit ImageFiles(std::size_t capacity = 16) : capacity_(capacity) {}

  Image load(const std::string& reference) {
    const std::size_t hash = reference.rfind('#');
    Index index = 0;
    return is_indexed(reference, hash, index) ? load_indexed(reference.substr(0, hash), index)
                                              : read_image(reference);
  }
  // The patch rows of what load gives, without the image between.
  PatchedImage patches(const std::string& reference, const ImageSettings& settings) {
    const std::size_t hash = reference.rfind('#');
    Index index = 0;
    if (is_indexed(reference, hash, index))
      return patchify(load_indexed(reference.substr(0, hash), index), settings);
    Queue<Cpu> queue(1);
    const MappedFile file(reference);
    return patchify(*open_image(file.text(), reference), settings, queue);
  }

  std::size_t open_files() const {
    const std::lock_guard lock(mutex_);
    return files_.size();
  }

 private:
  // Whether the reference ends with the number of an image; a file of that very name comes first.
  static bool is_indexed(const std::string& reference, std::size_t hash, Index& index) {
    return hash != std::string::npos && parse_index(reference, hash + 1, index) && !file_exists(reference);
  }
  Image load_indexed(const std::string& path, Index index) {
    std::shared_ptr<const IdxFile> file = find(path);
    if (!file) {
      file = std::make_shared<const IdxFile>(path);
      add(file);
    }
    return idx_image(*file, index);
  }

  static bool parse_index(const std::string& text, std::size_t begin, Index& index) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + begin, end, index);
    return error == std::errc() && stop == end;
  }

  // The most recently used file stands last.
  std::shared_ptr<const IdxFile> find(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::find_if(files_.begin(), files_.end(), [&](const auto& file) { return file->path() == path; });
    if (found == files_.end()) return nullptr;
    std::rotate(found, found + 1, files_.end());
    return files_.back();
  }
  void add(std::shared_ptr<const IdxFile> file) {
    const std::lock_guard lock(mutex_);
    files_.push_back(std::move(file));
    if (files_.size() > capacity_) files_.erase(files_.begin());
  }

  mutable std::mutex mutex_;
  std::size_t capacity_;
  std::vector<std::shared_ptr<const IdxFile>> files_;
};

}  // namespace vlm
