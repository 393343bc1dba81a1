// PNG through libpng, as Pillow decodes it: no correction of gamma, alpha dropped, the high byte of 16-bit colours, and
// 16-bit grey cut off at 255. Images that are not interlaced are read row by row.
#pragma once

#include <vlm/core/config.hpp>

#if VLM_HAS_IMAGE

#if !__has_include(<png.h>)
#error "vlm: VLM_HAS_IMAGE=1 needs libpng (Debian: libpng-dev)"
#endif

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <png.h>
#include <zlib.h>

#include <vlm/core/error.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/image_bytes.hpp>
#include <vlm/vision/image_codecs.hpp>
#include <vlm/vision/png_orientation.hpp>

namespace vlm {

namespace detail {

class PngRows final : public ImageRows {
 public:
  PngRows(std::string_view bytes, const ImageHeader& header, std::string_view name)
      : ImageRows(swaps_sides(header.orientation) ? header.width : header.height,
                  swaps_sides(header.orientation) ? header.height : header.width),
        bytes_(bytes, name, "a PNG image"),
        rest_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, remember, [](png_structp, png_const_charp) {});
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw DeviceError("out-of-memory", {{"expected", "memory to decode an image"},
                                          {"try", "a smaller image, or a machine with more memory"}});
    }
    try {
      open();
    } catch (...) {
      png_destroy_read_struct(&png_, &info_, nullptr);
      throw;
    }
  }
  ~PngRows() override { png_destroy_read_struct(&png_, &info_, nullptr); }

  void read(std::uint8_t* pixels, Index count, Index pitch) override {
    for (Index row = 0; row < count; ++row, ++next_) {
      if (interlaced_.empty() && !read_row(row_.data())) fail();
      convert(interlaced_.empty() ? row_.data()
                                  : interlaced_.data() + static_cast<std::size_t>(next_) * row_bytes_,
              pixels + row * pitch);
    }
  }

 private:
  void open() {
    if (!start()) fail();
    if (static_cast<Index>(png_get_image_height(png_, info_)) != height() ||
        static_cast<Index>(png_get_image_width(png_, info_)) != width())
      bytes_.damaged("two sizes of the image");
    channels_ = png_get_channels(png_, info_);
    wide_ = png_get_bit_depth(png_, info_) == 16;
    row_bytes_ = png_get_rowbytes(png_, info_);
    if (png_get_color_type(png_, info_) == PNG_COLOR_TYPE_PALETTE) read_palette();
    // Compression is by at most 1032 to 1, so some headers promise what cannot follow.
    if (row_bytes_ > 1032 * bytes_.size() / static_cast<std::size_t>(height()) + 1032) bytes_.truncated();
    if (!is_interlaced_) {
      row_.resize(row_bytes_);
      return;
    }
    interlaced_.resize(row_bytes_ * static_cast<std::size_t>(height()));
    rows_.resize(static_cast<std::size_t>(height()));
    for (std::size_t y = 0; y < rows_.size(); ++y) rows_[y] = interlaced_.data() + y * row_bytes_;
    if (!read_image()) fail();
  }

  // These three hold no objects: the library leaves them by a jump.
  bool start() {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_set_read_fn(png_, this, [](png_structp png, png_bytep to, std::size_t count) {
      static_cast<PngRows*>(png_get_io_ptr(png))->take(to, count);
    });
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_crc_action(png_, PNG_CRC_DEFAULT, PNG_CRC_QUIET_USE);
    // Texts and profiles change no pixel, and the length that one claims would be allocated.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_read_info(png_, info_);
    png_set_packing(png_);
    if (png_get_color_type(png_, info_) == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png_, info_) < 8)
      png_set_expand_gray_1_2_4_to_8(png_);
    if (png_get_color_type(png_, info_) != PNG_COLOR_TYPE_GRAY) png_set_strip_16(png_);
    is_interlaced_ = png_set_interlace_handling(png_) > 1;
    png_read_update_info(png_, info_);
    return true;
  }
  bool read_row(std::uint8_t* row) {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_read_row(png_, row, nullptr);
    return true;
  }
  bool read_image() {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_read_image(png_, rows_.data());
    return true;
  }

  void take(std::uint8_t* to, std::size_t count) {
    if (count > rest_.size()) {
      truncated_ = true;
      png_error(png_, "the end of the file");
    }
    std::memcpy(to, rest_.data(), count);
    rest_.remove_prefix(count);
  }
  static void remember(png_structp png, png_const_charp text) {
    auto* self = static_cast<PngRows*>(png_get_error_ptr(png));
    std::snprintf(self->text_.data(), self->text_.size(), "%s", text);
    png_longjmp(png, 1);
  }
  [[noreturn]] void fail() const {
    if (truncated_) bytes_.truncated();
    bytes_.damaged(text_.data());
  }

  // Entries that the file does not have are black, as in Pillow.
  void read_palette() {
    png_colorp colours = nullptr;
    int count = 0;
    png_get_PLTE(png_, info_, &colours, &count);
    palette_.assign(768, 0);
    for (int i = 0; i < std::min(count, 256); ++i) {
      std::uint8_t* entry = palette_.data() + 3 * i;
      entry[0] = colours[i].red;
      entry[1] = colours[i].green;
      entry[2] = colours[i].blue;
    }
  }
  void convert(const std::uint8_t* from, std::uint8_t* to) const {
    const bool grey = channels_ <= 2;
    const std::size_t step = channels_ * (wide_ ? 2u : 1u);
    for (Index x = 0; x < width(); ++x, from += step, to += 4) {
      const std::uint8_t level = wide_ && from[0] != 0 ? 255 : from[wide_ ? 1 : 0];
      if (!palette_.empty())
        std::memcpy(to, palette_.data() + std::size_t{3} * from[0], 3);
      else if (grey)
        std::memset(to, level, 3);
      else
        std::memcpy(to, from, 3);
      to[3] = 255;
    }
  }

  ImageBytes bytes_;
  std::string_view rest_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::array<char, 128> text_{};
  bool truncated_ = false, is_interlaced_ = false, wide_ = false;
  std::size_t channels_ = 0, row_bytes_ = 0;
  std::vector<std::uint8_t> row_, palette_, interlaced_;
  std::vector<std::uint8_t*> rows_;
  Index next_ = 0;
};

inline std::unique_ptr<ImageRows> open_png(std::string_view bytes, const ImageHeader& header,
                                           std::string_view name) {
  return std::make_unique<PngRows>(bytes, header, name);
}
inline const bool png_registered = register_image_codec(ImageFormat::Png, open_png);

inline std::string inflate_text(std::string_view stream, std::size_t most) {
  std::string text(std::min(most, 1032 * stream.size() + 64), '\0');  // it cannot grow more than that
  auto size = static_cast<uLongf>(text.size());
  const int status =
      uncompress(reinterpret_cast<Bytef*>(text.data()), &size, reinterpret_cast<const Bytef*>(stream.data()),
                 static_cast<uLong>(stream.size()));
  text.resize(status == Z_OK ? static_cast<std::size_t>(size) : 0);
  return text;
}
inline const bool png_inflater_registered = register_png_inflater(inflate_text);

}  // namespace detail

// The bytes of a PNG file.
inline std::string encode_png(const Image& image) {
  check_image(image, "image to write");
  png_image settings{};
  settings.version = PNG_IMAGE_VERSION;
  settings.width = static_cast<png_uint_32>(image.width);
  settings.height = static_cast<png_uint_32>(image.height);
  settings.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(settings);
  std::string bytes(size, '\0');
  if (!png_image_write_to_memory(&settings, bytes.data(), &size, 0, image.pixels.data(), 0, nullptr))
    throw DataError("image-size", {{"image", "image to write"},
                                   {"expected", "an image that can be a PNG file"},
                                   {"got", settings.message},
                                   {"try", "a smaller image"}});
  bytes.resize(size);
  return bytes;
}
namespace detail {
inline const bool png_writer_registered = register_png_writer(encode_png);
}

}  // namespace vlm

#endif  // VLM_HAS_IMAGE
