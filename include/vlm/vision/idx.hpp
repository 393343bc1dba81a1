// Files in the IDX format (the MNIST family): a magic number, big-endian extents, then unsigned bytes.
// Rank 1 holds labels, rank 3 holds grey images [count, height, width]. The file is memory-mapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/io/file.hpp>

namespace vlm {

class IdxFile {
 public:
  explicit IdxFile(const std::string& path) : file_(path) {
    read_extents();
    check_data();
  }

  // [count] of labels, or [count, height, width] of images.
  const std::vector<Index>& extents() const { return extents_; }
  Index count() const { return extents_[0]; }
  const std::string& path() const { return file_.path(); }

  // The bytes of one item: 1 of a label file, height * width of an image file.
  std::span<const std::uint8_t> item(Index index) const {
    if (index < 0 || index >= count())
      throw DataError("idx-index", {{"file", path()},
                                    {"expected", "an item from 0 to " + std::to_string(count() - 1)},
                                    {"got", std::to_string(index)},
                                    {"try", "a number that the file has"}});
    return bytes().subspan(header_size() + static_cast<std::size_t>(index) * item_size_, item_size_);
  }

 private:
  static constexpr unsigned kUnsignedByte = 0x08;

  std::span<const std::uint8_t> bytes() const {
    return {reinterpret_cast<const std::uint8_t*>(file_.bytes().data()), file_.bytes().size()};
  }
  std::size_t header_size() const { return 4 + 4 * extents_.size(); }

  void read_extents() {
    const auto data = bytes();
    const bool known = data.size() >= 4 && data[0] == 0 && data[1] == 0 && data[2] == kUnsignedByte &&
                       (data[3] == 1 || data[3] == 3);
    if (!known) throw_magic_error();
    extents_.resize(data[3]);
    if (data.size() < header_size())
      throw_truncated(std::to_string(header_size()) + " bytes of header", data.size());
    for (std::size_t axis = 0; axis < extents_.size(); ++axis)
      for (std::size_t i = 0; i < 4; ++i) extents_[axis] = extents_[axis] << 8 | data[4 + 4 * axis + i];
  }

  void check_data() {
    const std::size_t available = bytes().size() - header_size();
    const std::string expected = shape_text(extents_) + " bytes after the header";
    bool fits = true;
    item_size_ = 1;
    for (std::size_t axis = 1; axis < extents_.size(); ++axis) {
      const auto extent = static_cast<std::size_t>(extents_[axis]);
      fits = fits && extent > 0 && item_size_ <= available / extent;
      item_size_ *= fits ? extent : 1;
    }
    const auto items = static_cast<std::size_t>(count());
    fits = fits && items <= available / item_size_ && items * item_size_ == available;
    if (!fits) throw_truncated(expected, available);
  }

  [[noreturn]] void throw_magic_error() const {
    const auto data = bytes();
    const bool gzip = data.size() >= 2 && data[0] == 0x1f && data[1] == 0x8b;
    throw FileError("idx-magic", {{"file", path()},
                                  {"expected", "an IDX file of unsigned bytes with rank 1 or 3"},
                                  {"got", gzip ? "a gzip file" : "another kind of file"},
                                  {"try", gzip ? "unpack it first: gunzip --keep FILE" : ""}});
  }
  [[noreturn]] void throw_truncated(const std::string& expected, std::size_t got) const {
    throw FileError("idx-size", {{"file", path()},
                                 {"expected", expected},
                                 {"got", std::to_string(got) + " bytes"},
                                 {"try", "fetch or unpack the file again"}});
  }

  MappedFile file_;
  std::vector<Index> extents_;
  std::size_t item_size_ = 1;
};

}  // namespace vlm
