// Binary PPM and PGM (Netpbm's P6 and P5), read and written. Values of other depths than 8 bits become what Pillow makes
// of them: those of PPM are scaled to 255; those of PGM too up to 8 bits, and beyond they are cut off at 255.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <vlm/core/error.hpp>
#include <vlm/io/file.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/image_rows.hpp>

namespace vlm {

namespace detail {

// Numbers separated by white space; "#" starts a comment up to the end of the line.
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

struct PnmSize {
  Index height = 0, width = 0;
};
inline PnmSize pnm_size(std::string_view bytes, std::string_view name) {
  PnmHeader header(bytes, name);
  const Index width = header.number("width");
  return {header.number("height"), width};
}

// A value of a PNM file as a level from 0 to 255.
inline std::uint8_t pnm_level(Index value, Index largest, bool grey) {
  const double full = grey && largest > 255 ? 65535 : 255;
  const double level = std::nearbyint(static_cast<double>(value) / static_cast<double>(largest) * full);
  return static_cast<std::uint8_t>(std::min(level, 255.0));
}

struct PnmFile {
  Index height, width, largest;
  bool grey;
  std::string_view values;  // of one byte, or of two, the higher first
};

// Checks everything but the values, of which any is possible.
inline PnmFile read_pnm(std::string_view bytes, std::string_view name) {
  if (!is_pnm(bytes))
    throw DataError(
        "image-format",
        {{"image", std::string(name)}, {"expected", "binary PPM or PGM"}, {"got", "another kind of file"}});
  PnmHeader header(bytes, name);
  PnmFile file{};
  file.width = header.number("width");
  file.height = header.number("height");
  file.largest = header.number("the largest value");
  if (file.largest > 65535)
    throw DataError("image-depth", {{"image", std::string(name)},
                                    {"expected", "at most 16 bits per value (largest value 65535)"},
                                    {"got", "largest value " + std::to_string(file.largest)}});
  check_image_size(file.height, file.width, name);
  file.values = header.rest();
  file.grey = bytes[1] == '5';
  const std::size_t size =
      static_cast<std::size_t>(file.height * file.width) * (file.grey ? 1 : 3) * (file.largest > 255 ? 2 : 1);
  if (file.values.size() != size)
    throw DataError("image-truncated", {{"image", std::string(name)},
                                        {"expected", std::to_string(size) + " bytes of pixels"},
                                        {"got", std::to_string(file.values.size())}});
  return file;
}

}  // namespace detail

// The rows of a PNM file, its size and length checked. `name` stands in errors, which are DataError.
class PnmRows final : public ImageRows {
 public:
  PnmRows(std::string_view bytes, std::string_view name) : PnmRows(detail::read_pnm(bytes, name)) {}

  void read(std::uint8_t* pixels, Index count, Index pitch) override {
    for (Index row = 0; row < count; ++row) {
      std::uint8_t* to = pixels + row * pitch;
      for (Index x = 0; x < width(); ++x, to += 4) {
        for (std::size_t c = 0; c < (file_.grey ? 1u : 3u); ++c) to[c] = next_level();
        if (file_.grey) to[1] = to[2] = to[0];
        to[3] = 255;
      }
    }
  }

 private:
  explicit PnmRows(const detail::PnmFile& file) : ImageRows(file.height, file.width), file_(file) {}

  std::uint8_t next_level() {
    const auto next_byte = [this] { return static_cast<std::uint8_t>(file_.values[at_++]); };
    const std::uint8_t first = next_byte();
    if (file_.largest == 255) return first;
    const Index value = file_.largest > 255 ? Index{first} << 8 | next_byte() : first;
    return detail::pnm_level(value, file_.largest, file_.grey);
  }

  detail::PnmFile file_;
  std::size_t at_ = 0;
};

// `name` stands in errors, which are DataError.
inline Image decode_pnm(std::string_view bytes, std::string_view name) {
  PnmRows rows(bytes, name);
  return read_all(rows, name);
}

inline void write_ppm(const std::string& path, const Image& image) {
  const std::string header =
      "P6\n" + std::to_string(image.width) + " " + std::to_string(image.height) + "\n255\n";
  AtomicFile file(path);
  file.write(header);
  file.write(image.pixels.data(), image.pixels.size());
  file.commit();
}

}  // namespace vlm
