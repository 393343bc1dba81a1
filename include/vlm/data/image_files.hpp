// The images and videos that conversations name: a file, "path.tar/member" inside a tar archive, or a "data:" URL; and
// "path#index", an image inside an IDX file. The most recent IDX files and archives stay open: one such file holds many
// images.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <vlm/core/span_of.hpp>
#include <vlm/io/base64.hpp>
#include <vlm/io/folder.hpp>
#include <vlm/io/tar_file.hpp>
#include <vlm/vision/load_image.hpp>
#include <vlm/vision/patches.hpp>
#include <vlm/vision/video_file.hpp>
#include <vlm/vision/video_patches.hpp>
#include <vlm/vision/video_settings.hpp>

namespace vlm {

// Gives what load_image gives, for archives and URLs too. Many threads may use one object. A file must not change while it is open.
class ImageFiles {
 public:
  explicit ImageFiles(std::size_t capacity = 16) : capacity_(capacity) {}

  Image load(const std::string& reference) {
    Inside inside;
    if (find_inside(reference, inside)) return decode_image(inside.bytes, shown(reference));
    const std::size_t hash = reference.rfind('#');
    Index index = 0;
    return is_indexed(reference, hash, index) ? load_indexed(reference.substr(0, hash), index)
                                              : read_image(reference);
  }
  // Appends the patch rows of what load gives, without the image between; their grid. Images of IDX files allocate
  // nothing but what `rows` takes.
  Grid append_patches(const std::string& reference, const ImageSettings& settings, PatchRows& rows) {
    Inside inside;
    if (find_inside(reference, inside))
      return append(*open_image(inside.bytes, shown(reference)), settings, rows);
    const std::size_t hash = reference.rfind('#');
    Index index = 0;
    if (is_indexed(reference, hash, index)) {
      const auto file = opened(idx_, std::string_view(reference).substr(0, hash));
      RowsOfGrey image = idx_rows(*file, index);
      return append(image, settings, rows);
    }
    const MappedFile file(reference);
    return append(*open_image(file.text(), reference), settings, rows);
  }

  // The patch rows of a video.
  PatchedVideo patches(const std::string& reference, const VideoSettings& settings) {
    const VideoFileOptions options{.decoding_threads = 1};
    Inside inside;
    if (find_inside(reference, inside))
      return patchify(open_video(bytes_of(inside.bytes), shown(reference), options), settings);
    return patchify(open_video(reference, options), settings);
  }

  std::size_t open_files() const {
    const std::lock_guard lock(mutex_);
    return idx_.size() + tar_.size();
  }

  // A reference for errors and lists: the bytes of a URL are left out.
  static std::string shown(const std::string& reference) {
    return reference.starts_with("data:")
               ? reference.substr(0, std::min(reference.find(','), std::size_t{60})) + ",..."
               : reference;
  }

 private:
  static Grid append(ImageRows& image, const ImageSettings& settings, PatchRows& rows) {
    const Grid grid = image_grid(image.height(), image.width(), settings);
    const std::size_t begin = rows.size();
    rows.resize(begin + static_cast<std::size_t>(grid.patches() * settings.features()));
    Queue<Cpu> queue(1);
    write_patches(image, settings, rows.data() + begin, queue);
    return grid;
  }

  // Whether the reference ends with the number of an image; a file of that very name comes first.
  static bool is_indexed(const std::string& reference, std::size_t hash, Index& index) {
    return hash != std::string::npos && parse_index(reference, hash + 1, index) && !file_exists(reference);
  }
  Image load_indexed(const std::string& path, Index index) { return idx_image(*opened(idx_, path), index); }

  // The bytes of what is no file of its own, and what keeps them.
  struct Inside {
    std::shared_ptr<const TarFile> archive{};
    std::string decoded{};
    std::string_view bytes{};
  };

  // Whether the reference is a URL or names a member of an archive.
  bool find_inside(const std::string& reference, Inside& inside) {
    if (reference.starts_with("data:")) {
      decode_url(reference, inside);
      return true;
    }
    const std::size_t end = reference.find(".tar/");
    if (end == reference.npos || is_folder(reference.substr(0, end + 4))) return false;
    inside.archive = opened(tar_, reference.substr(0, end + 4));
    const TarFile::Member* member = inside.archive->find(std::string_view(reference).substr(end + 5));
    if (!member)
      throw DataError("tar-member", {{"file", inside.archive->path()},
                                     {"expected", "a member " + reference.substr(end + 5)},
                                     {"got", "none of this name"},
                                     {"try", "the name as tar --list prints it"}});
    inside.bytes = inside.archive->bytes(*member);
    return true;
  }

  // "data:image/png;base64,AAAA".   Source: RFC 2397.
  static void decode_url(const std::string& reference, Inside& inside) {
    const std::string_view url = reference;
    const std::size_t comma = url.find(',');
    const bool is_base64 = comma != url.npos && url.substr(0, comma).ends_with(";base64");
    auto bytes = is_base64 ? decode_base64(url.substr(comma + 1)) : std::nullopt;
    if (!bytes)
      throw DataError("data-url",
                      {{"file", shown(reference)},
                       {"expected", "data:TYPE;base64, and base64"},
                       {"got", is_base64 ? "other characters, or an impossible length" : "another form"},
                       {"try", "data:image/png;base64, and the bytes of a file in base64"}});
    inside.decoded = std::move(*bytes);
    inside.bytes = inside.decoded;
  }

  static bool parse_index(const std::string& text, std::size_t begin, Index& index) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + begin, end, index);
    return error == std::errc() && stop == end;
  }

  // The file, opened now or before. The most recently used one stands last.
  template <class File>
  std::shared_ptr<const File> opened(std::vector<std::shared_ptr<const File>>& files, std::string_view path) {
    {
      const std::lock_guard lock(mutex_);
      const auto found =
          std::find_if(files.begin(), files.end(), [&](const auto& file) { return file->path() == path; });
      if (found != files.end()) {
        std::rotate(found, found + 1, files.end());
        return files.back();
      }
    }
    auto file = std::make_shared<const File>(std::string(path));
    const std::lock_guard lock(mutex_);
    files.push_back(file);
    if (files.size() > capacity_) files.erase(files.begin());
    return file;
  }

  mutable std::mutex mutex_;
  std::size_t capacity_;  // of each kind
  std::vector<std::shared_ptr<const IdxFile>> idx_;
  std::vector<std::shared_ptr<const TarFile>> tar_;
};

}  // namespace vlm
