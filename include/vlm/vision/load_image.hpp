// Images from files and from memory, of every format that the program decodes, as Pillow's exif_transpose and
// convert("RGB") give them; and single images of an IDX file as "path#index".
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/io/file.hpp>
#include <vlm/vision/bmp.hpp>
#include <vlm/vision/gif.hpp>
#include <vlm/vision/idx.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/image_codecs.hpp>
#include <vlm/vision/image_header.hpp>
#include <vlm/vision/image_rows.hpp>
#include <vlm/vision/jpeg.hpp>
#include <vlm/vision/png.hpp>
#include <vlm/vision/pnm.hpp>
#include <vlm/vision/webp.hpp>

namespace vlm {

namespace detail {

// A small format that is decoded as a whole.
inline std::unique_ptr<ImageRows> rows_of_decoded(const Image& image) {
  RowsOfPixels::Pixels pixels(static_cast<std::size_t>(4 * image.height * image.width));
  RowsOfImage(image).read(pixels.data(), image.height, 4 * image.width);
  return std::make_unique<RowsOfPixels>(image.height, image.width, std::move(pixels));
}

}  // namespace detail

// The rows of an image file as it is shown, its size checked before anything is decoded. The bytes are borrowed and must
// outlive the rows; `name` stands in errors, which are DataError.
inline std::unique_ptr<ImageRows> open_image(std::string_view bytes, std::string_view name) {
  const ImageHeader header = read_image_header(bytes, name);
  std::unique_ptr<ImageRows> rows;
  if (header.format == ImageFormat::Pnm)
    rows = std::make_unique<PnmRows>(bytes, name);
  else if (header.format == ImageFormat::Bmp)
    rows = detail::rows_of_decoded(decode_bmp(bytes, name));
  else
    rows = required_image_codec(header.format, bytes, name)(bytes, header, name);
  if (header.orientation == upright) return rows;
  return std::make_unique<TurnedRows>(std::move(rows), header.orientation);
}

// An image from memory.
inline Image decode_image(std::string_view bytes, std::string_view name) {
  const std::unique_ptr<ImageRows> rows = open_image(bytes, name);
  return read_all(*rows, name);
}
// An image from a file; FileError where it cannot be read.
inline Image read_image(const std::string& path) { return decode_image(MappedFile(path).text(), path); }

// The rows of one image of a rank-3 IDX file, which must outlive them.
inline RowsOfGrey idx_rows(const IdxFile& file, Index index) {
  const std::vector<Index>& extents = file.extents();
  if (extents.size() != 3)
    throw DataError("idx-rank", {{"file", file.path()},
                                 {"expected", "an IDX file of images [count, height, width]"},
                                 {"got", "an IDX file of labels " + shape_text(extents)},
                                 {"try", "the file of images that belongs to these labels"}});
  const std::span<const std::uint8_t> levels = file.item(index);
  if (extents[1] > max_image_pixels / extents[2])  // only an error is worth the name, which allocates
    check_image_size(extents[1], extents[2], file.path() + "#" + std::to_string(index));
  return {extents[1], extents[2], levels};
}
// It as an image.
inline Image idx_image(const IdxFile& file, Index index) {
  RowsOfGrey rows = idx_rows(file, index);
  return read_all(rows, file.path());
}

// The image that a conversation names: a file, or "path#index" inside an IDX file.
inline Image load_image(const std::string& reference) {
  const std::size_t hash = reference.rfind('#');
  if (hash != std::string::npos && !file_exists(reference)) {
    const char* end = reference.data() + reference.size();
    Index index = 0;
    const auto [stop, error] = std::from_chars(reference.data() + hash + 1, end, index);
    if (error == std::errc() && stop == end) return idx_image(IdxFile(reference.substr(0, hash)), index);
  }
  return read_image(reference);
}

}  // namespace vlm
