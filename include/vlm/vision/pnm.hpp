// The six forms of PBM, PGM and PPM: bits, grey or colours as text (P1, P2, P3) or as bytes (P4, P5, P6). Values of
// other depths than 8 bits become what Pillow makes of them: those of PPM are scaled to 255; those of PGM too up to 8
// bits, and beyond they are cut off at 255. As in Pillow, a comment with the end of its line counts for nothing,
// wherever it stands in the text, and what follows the pixels is passed over.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/io/file.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/image_rows.hpp>

namespace vlm {

namespace detail {

inline bool is_pnm_space(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

inline bool is_pnm(std::string_view bytes) {
  return bytes.size() >= 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
         (bytes.size() == 2 || bytes[2] == '#' || is_pnm_space(bytes[2]));
}

// Numbers as text, with white space between them.
class PnmText {
 public:
  PnmText(std::string_view bytes, std::string_view name) : bytes_(bytes), name_(name), next_(2) {}

  // A number of the header.
  Index number(std::string_view what) {
    const Index value = token();
    if (value < 1) fail("image-header", std::string(what) + ", a positive number", "none");
    return value;
  }
  // The pixels start after exactly one white-space character.
  std::string_view rest() {
    start_ = next_;
    if (next_ >= bytes_.size() || !is_pnm_space(bytes_[next_]))
      fail("image-header", "white space before the pixels", "none");
    return bytes_.substr(++next_);
  }
  // A value of a pixel.
  Index value(Index largest) {
    const Index value = token();
    if (value < 0 || value > largest)
      fail("image-damaged", "pixels from 0 to " + std::to_string(largest),
           next_ == start_ ? "none" : "another");
    return value;
  }
  // The bits need no white space between them.
  Index bit() {
    skip_space();
    const int c = peek();
    if (c != '0' && c != '1') fail("image-damaged", "pixels of 0 or 1", c < 0 ? "none" : "another");
    ++next_;
    return c - '0';
  }

 private:
  // The next character outside of comments; -1 at the end.
  int peek() {
    while (next_ < bytes_.size() && bytes_[next_] == '#')
      next_ = std::min(bytes_.find_first_of("\r\n", next_), bytes_.size() - 1) + 1;
    return next_ < bytes_.size() ? static_cast<unsigned char>(bytes_[next_]) : -1;
  }
  void skip_space() {
    while (is_pnm_space(peek())) ++next_;
    start_ = next_;
  }
  // What stands up to the next white space or the end; -1 where that is no number.
  Index token() {
    constexpr Index most = (std::numeric_limits<Index>::max() - 9) / 10;
    skip_space();
    Index value = -1;
    for (int c = peek(); c >= 0 && !is_pnm_space(c); ++next_, c = peek()) {
      if (c < '0' || c > '9' || value > most) return -1;
      value = 10 * std::max(value, Index{0}) + (c - '0');
    }
    return value;
  }
  [[noreturn]] void fail(const char* id, const std::string& expected, const char* got) const {
    throw DataError(id, {{"image", std::string(name_)},
                         {"expected", expected},
                         {"got", std::string(got) + " at byte " + std::to_string(start_)},
                         {"try", "fetch or save the image again"}});
  }

  std::string_view bytes_, name_;
  std::size_t next_, start_ = 0;
};

struct PnmSize {
  Index height = 0, width = 0;
};
inline PnmSize pnm_size(PnmText& header) {
  const Index width = header.number("width");
  return {header.number("height"), width};
}
inline PnmSize pnm_size(std::string_view bytes, std::string_view name) {
  PnmText header(bytes, name);
  return pnm_size(header);
}

// The level from 0 to 255 of each value up to the largest. A bit of 1 is black.
inline std::vector<std::uint8_t> pnm_levels(Index largest, bool bits, bool colours) {
  if (bits) return {255, 0};
  std::vector<std::uint8_t> levels(static_cast<std::size_t>(largest) + 1);
  const double full = !colours && largest > 255 ? 65535 : 255;
  for (std::size_t value = 0; value < levels.size(); ++value) {
    const double level = std::nearbyint(static_cast<double>(value) / static_cast<double>(largest) * full);
    levels[value] = static_cast<std::uint8_t>(std::min(level, 255.0));
  }
  return levels;
}

// The bytes of pixels, `row` values in each of `rows`; of text the least: a digit for each value, and white space
// between all but bits.
inline std::size_t least_pnm_bytes(char form, std::size_t row, std::size_t rows, Index largest) {
  if (form == '1') return row * rows;
  if (form <= '3') return 2 * row * rows - 1;
  if (form == '4') return (row + 7) / 8 * rows;
  return (largest > 255 ? 2 : 1) * row * rows;
}

// What stands before the pixels, checked; text may still hold pixels that are none.
struct PnmFile {
  char form;  // '1' to '6'
  Index height, width, largest;
  std::string_view pixels;
  PnmText reader;  // stands before the pixels

  bool text() const { return form <= '3'; }
  bool bits() const { return form == '1' || form == '4'; }
  bool colours() const { return form == '3' || form == '6'; }
  std::size_t row_values() const { return static_cast<std::size_t>(width) * (colours() ? 3 : 1); }
};

inline PnmFile read_pnm(std::string_view bytes, std::string_view name) {
  if (!is_pnm(bytes))
    throw DataError("image-format",
                    {{"image", std::string(name)},
                     {"expected", "PBM, PGM or PPM"},
                     {"got", "another kind of file"},
                     {"try", "check the path, or read it with load_image, which knows more formats"}});
  PnmFile file{
      .form = bytes[1], .height = 0, .width = 0, .largest = 1, .pixels = {}, .reader = {bytes, name}};
  const PnmSize size = pnm_size(file.reader);
  file.height = size.height;
  file.width = size.width;
  if (!file.bits()) file.largest = file.reader.number("the largest value");
  if (file.largest > 65535)
    throw DataError("image-depth", {{"image", std::string(name)},
                                    {"expected", "at most 16 bits per value (largest value 65535)"},
                                    {"got", "largest value " + std::to_string(file.largest)},
                                    {"try", "save the image with 8 or 16 bits"}});
  check_image_size(file.height, file.width, name);
  file.pixels = file.reader.rest();
  const std::size_t least =
      least_pnm_bytes(file.form, file.row_values(), static_cast<std::size_t>(file.height), file.largest);
  if (file.pixels.size() < least)
    throw DataError("image-truncated",
                    {{"image", std::string(name)},
                     {"expected", "at least " + std::to_string(least) + " bytes of pixels"},
                     {"got", std::to_string(file.pixels.size())},
                     {"try", "fetch or save the image again"}});
  return file;
}

}  // namespace detail

// The rows of a PNM file. `bytes` and `name`, which stands in errors (DataError), must outlive it.
class PnmRows final : public ImageRows {
 public:
  PnmRows(std::string_view bytes, std::string_view name) : PnmRows(detail::read_pnm(bytes, name)) {}

  void read(std::uint8_t* pixels, Index count, Index pitch) override {
    for (Index row = 0; row < count; ++row) read_row(pixels + row * pitch);
  }

 private:
  explicit PnmRows(const detail::PnmFile& file) : ImageRows(file.height, file.width), file_(file) {
    if (file.largest != 255) levels_ = detail::pnm_levels(file.largest, file.bits(), file.colours());
  }

  void read_row(std::uint8_t* to) {
    if (levels_.empty() && !file_.text()) return read_levels(to);
    bit_ = 0;
    for (Index x = 0; x < width(); ++x, to += 4) {
      to[0] = to[1] = to[2] = next_level();
      if (file_.colours()) {
        to[1] = next_level();
        to[2] = next_level();
      }
      to[3] = 255;
    }
    if (bit_ != 0) ++at_;  // a row of bits ends with its byte
  }

  // Bytes that are levels already.
  void read_levels(std::uint8_t* to) {
    const Index step = file_.colours() ? 3 : 1;
    const char* from = file_.pixels.data() + at_;
    for (Index x = 0; x < width(); ++x, from += step, to += 4) {
      for (Index c = 0; c < 3; ++c) to[c] = static_cast<std::uint8_t>(from[step == 3 ? c : 0]);
      to[3] = 255;
    }
    at_ += file_.row_values();
  }

  std::uint8_t next_level() {
    const Index value = next_value();
    if (levels_.empty()) return static_cast<std::uint8_t>(value);
    return value < static_cast<Index>(levels_.size()) ? levels_[static_cast<std::size_t>(value)] : 255;
  }
  Index next_value() {
    if (file_.form == '1') return file_.reader.bit();
    if (file_.text()) return file_.reader.value(file_.largest);
    if (file_.form == '4') {
      const int bit = static_cast<unsigned char>(file_.pixels[at_]) >> (7 - bit_) & 1;
      bit_ = (bit_ + 1) % 8;
      if (bit_ == 0) ++at_;
      return bit;
    }
    const auto next_byte = [this] { return Index{static_cast<std::uint8_t>(file_.pixels[at_++])}; };
    const Index first = next_byte();
    return file_.largest > 255 ? first << 8 | next_byte() : first;
  }

  detail::PnmFile file_;
  std::vector<std::uint8_t> levels_;  // empty where values are levels
  std::size_t at_ = 0;
  int bit_ = 0;
};

// `name` stands in errors, which are DataError.
inline Image decode_pnm(std::string_view bytes, std::string_view name) {
  PnmRows rows(bytes, name);
  return read_all(rows, name);
}

inline void write_ppm(const std::string& path, const Image& image) {
  check_image(image, "image to write");
  const std::string header =
      "P6\n" + std::to_string(image.width) + " " + std::to_string(image.height) + "\n255\n";
  AtomicFile file(path);
  file.write(header);
  file.write(image.pixels.data(), image.pixels.size());
  file.commit();
}

}  // namespace vlm
