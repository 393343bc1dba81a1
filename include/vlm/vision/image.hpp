// Images of 8-bit RGB, interleaved [height, width, 3], and reading and writing them.
// Formats: binary PPM and PGM (P6, P5), and single images of an IDX file as "path#index".
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/io/file.hpp>
#include <vlm/vision/idx.hpp>

namespace vlm {

// The largest image that is read, resized or written.
inline constexpr Index max_image_pixels = Index{1} << 28;

// `name` says in the error which image is meant.
inline void check_image_size(Index height, Index width, std::string_view name) {
  if (height > 0 && width > 0 && height <= max_image_pixels / width) return;
  throw DataError("image-size",
                  {{"image", std::string(name)},
                   {"expected", "1 to " + std::to_string(max_image_pixels) + " pixels"},
                   {"got", "height " + std::to_string(height) + ", width " + std::to_string(width)}});
}

struct Image {
  Index height = 0;
  Index width = 0;
  std::vector<std::uint8_t> pixels;

  Image() = default;
  // A black image; the size is checked before anything is allocated.
  Image(Index rows, Index columns, std::string_view name = "new image") : height(rows), width(columns) {
    check_image_size(rows, columns, name);
    pixels.resize(static_cast<std::size_t>(rows * columns * 3));
  }

  std::uint8_t* at(Index y, Index x) { return pixels.data() + (y * width + x) * 3; }
  const std::uint8_t* at(Index y, Index x) const { return pixels.data() + (y * width + x) * 3; }
  friend bool operator==(const Image&, const Image&) = default;
};

// Grey values [height, width], each repeated as red, green and blue.
inline Image grey_to_rgb(Index height, Index width, std::span<const std::uint8_t> grey,
                         std::string_view name) {
  Image image(height, width, name);
  for (std::size_t i = 0; i < grey.size(); ++i) std::memset(image.pixels.data() + 3 * i, grey[i], 3);
  return image;
}

namespace detail {

// The header of a PNM file: tokens separated by white space; "#" starts a comment up to the end of the line.
class PnmHeader {
 public:
  PnmHeader(std::string_view bytes, std::string_view name) : bytes_(bytes), name_(name), next_(2) {}

  Index number(std::string_view what) {
    skip_space();
    Index value = 0;
    const auto [end, error] = std::from_chars(bytes_.data() + next_, bytes_.data() + bytes_.size(), value);
    if (error != std::errc() || value < 1) fail(std::string(what) + ", a positive number", "none at byte ");
    next_ = static_cast<std::size_t>(end - bytes_.data());
    return value;
  }
  // The pixels start after exactly one white-space character.
  std::string_view rest() {
    if (next_ >= bytes_.size() || !is_space(bytes_[next_]))
      fail("white space before the pixels", "none at byte ");
    return bytes_.substr(next_ + 1);
  }

 private:
  static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
  void skip_space() {
    while (next_ < bytes_.size() && (is_space(bytes_[next_]) || bytes_[next_] == '#')) {
      const bool comment = bytes_[next_] == '#';
      next_ = comment ? std::min(bytes_.find('\n', next_), bytes_.size()) : next_ + 1;
    }
  }
  [[noreturn]] void fail(const std::string& expected, const char* got) const {
    throw DataError(
        "image-header",
        {{"image", std::string(name_)}, {"expected", expected}, {"got", got + std::to_string(next_)}});
  }

  std::string_view bytes_, name_;
  std::size_t next_;
};

inline bool is_pnm(std::string_view bytes) { return bytes.starts_with("P5") || bytes.starts_with("P6"); }

inline const char* image_format(std::string_view bytes) {
  if (bytes.empty()) return "an empty file";
  if (bytes.starts_with("\x89PNG")) return "a PNG file";
  if (bytes.starts_with("\xff\xd8\xff")) return "a JPEG file";
  if (bytes.starts_with("GIF8")) return "a GIF file";
  if (bytes.starts_with("BM")) return "a BMP file";
  if (bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WEBP")) return "a WebP file";
  if (bytes.starts_with(std::string_view("\0\0\x08", 3))) return "an IDX file without an index";
  if (bytes.starts_with("\x1f\x8b")) return "a gzip file";
  return "another kind of file";
}

}  // namespace detail

// Binary PPM or PGM with 8 bits per value; `name` stands in errors.
inline Image decode_pnm(std::string_view bytes, std::string_view name) {
  if (!detail::is_pnm(bytes))
    throw DataError("image-format", {{"image", std::string(name)},
                                     {"expected", "binary PPM or PGM, or FILE#INDEX of an IDX file"},
                                     {"got", detail::image_format(bytes)},
                                     {"try", "convert the image to PPM: this build reads no other format"}});
  detail::PnmHeader header(bytes, name);
  const Index width = header.number("width");
  const Index height = header.number("height");
  const Index largest = header.number("the largest value");
  if (largest != 255)
    throw DataError("image-depth", {{"image", std::string(name)},
                                    {"expected", "8 bits per value (largest value 255)"},
                                    {"got", "largest value " + std::to_string(largest)}});
  check_image_size(height, width, name);
  const std::string_view data = header.rest();
  const std::size_t channels = bytes[1] == '6' ? 3 : 1;
  const std::size_t expected = static_cast<std::size_t>(height * width) * channels;
  if (data.size() != expected)
    throw DataError("image-truncated", {{"image", std::string(name)},
                                        {"expected", std::to_string(expected) + " bytes of pixels"},
                                        {"got", std::to_string(data.size())}});
  const std::span values(reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
  if (channels == 1) return grey_to_rgb(height, width, values, name);
  Image image(height, width, name);
  std::memcpy(image.pixels.data(), values.data(), values.size());
  return image;
}

inline Image read_pnm(const std::string& path) { return decode_pnm(MappedFile(path).text(), path); }

inline void write_ppm(const std::string& path, const Image& image) {
  const std::string header =
      "P6\n" + std::to_string(image.width) + " " + std::to_string(image.height) + "\n255\n";
  AtomicFile file(path);
  file.write(header);
  file.write(image.pixels.data(), image.pixels.size());
  file.commit();
}

// One image of a rank-3 IDX file.
inline Image idx_image(const IdxFile& file, Index index) {
  const std::vector<Index>& extents = file.extents();
  if (extents.size() != 3)
    throw DataError("idx-rank", {{"file", file.path()},
                                 {"expected", "an IDX file of images [count, height, width]"},
                                 {"got", "an IDX file of labels " + shape_text(extents)}});
  return grey_to_rgb(extents[1], extents[2], file.item(index), file.path() + "#" + std::to_string(index));
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
  return read_pnm(reference);
}

}  // namespace vlm
