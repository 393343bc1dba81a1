// JPEG through libjpeg-turbo, row by row, as Pillow decodes it: the accurate integer transform, smooth upsampling of
// colour, and CMYK taken as inverted, as Adobe writes it. Damaged pixels are as the library reconstructs them; missing ones
// are an error, also where the file has its end mark, and Pillow would make them up.
#pragma once

#include <vlm/core/config.hpp>

#if VLM_HAS_IMAGE

#if !__has_include(<jpeglib.h>)
#error "vlm: VLM_HAS_IMAGE=1 needs libjpeg-turbo (Debian: libjpeg62-turbo-dev)"
#endif

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <jpeglib.h>

#include <jerror.h>

#include <vlm/vision/image_bytes.hpp>
#include <vlm/vision/image_codecs.hpp>

namespace vlm {

namespace detail {

// Inks that are inverted, as 8-bit red, green, blue and 255.
inline void inks_to_pixels(const std::uint8_t* inks, Index count, std::uint8_t* pixels) {
  for (Index x = 0; x < count; ++x, inks += 4, pixels += 4) {
    for (std::size_t c = 0; c < 3; ++c) {
      const int covered = (255 - inks[c]) * inks[3] + 128;
      const int level = inks[3] - (((covered >> 8) + covered) >> 8);
      pixels[c] = static_cast<std::uint8_t>(level < 0 ? 0 : level);
    }
    pixels[3] = 255;
  }
}

class JpegRows final : public ImageRows {
 public:
  JpegRows(std::string_view bytes, const ImageHeader& header, std::string_view name)
      : ImageRows(swaps_sides(header.orientation) ? header.width : header.height,
                  swaps_sides(header.orientation) ? header.height : header.width),
        bytes_(bytes, name, "a JPEG image") {
    jpeg_.err = jpeg_std_error(&errors_.manager);
    errors_.manager.error_exit = [](j_common_ptr jpeg) {
      auto* errors = reinterpret_cast<Errors*>(jpeg->err);
      errors->manager.format_message(jpeg, errors->text.data());
      std::longjmp(errors->jump, 1);
    };
    errors_.manager.emit_message = [](j_common_ptr jpeg, int) {
      auto* errors = reinterpret_cast<Errors*>(jpeg->err);
      if (errors->manager.msg_code != JWRN_HIT_MARKER) return;
      errors->truncated = true;  // the pixels that follow would be made up
      std::longjmp(errors->jump, 1);
    };
    if (!create()) fail();
    source_.init_source = [](j_decompress_ptr) {};
    source_.term_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = [](j_decompress_ptr) -> boolean {
      return FALSE;
    };  // the bytes are all there is
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.skip_input_data = [](j_decompress_ptr jpeg, long count) {
      jpeg_source_mgr& source = *jpeg->src;
      const std::size_t skipped =
          count < 0 ? 0 : std::min(static_cast<std::size_t>(count), source.bytes_in_buffer);
      source.next_input_byte += skipped;
      source.bytes_in_buffer -= skipped;
    };
    source_.next_input_byte = reinterpret_cast<const JOCTET*>(bytes.data());
    source_.bytes_in_buffer = bytes.size();
    jpeg_.src = &source_;
    scans_.progress_monitor = [](j_common_ptr jpeg) {
      if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number <= most_scans) return;
      auto* errors = reinterpret_cast<Errors*>(jpeg->err);
      std::snprintf(errors->text.data(), errors->text.size(), "more than %d scans", most_scans);
      std::longjmp(errors->jump, 1);
    };
    if (!start()) fail();
    if (static_cast<Index>(jpeg_.output_height) != this->height() ||
        static_cast<Index>(jpeg_.output_width) != this->width())
      bytes_.damaged("two sizes of the image");
  }

  void read(std::uint8_t* pixels, Index count, Index pitch) override {
    rows_.resize(static_cast<std::size_t>(count));
    for (Index row = 0; row < count; ++row) rows_[static_cast<std::size_t>(row)] = pixels + row * pitch;
    if (!decode()) fail();
    if (jpeg_.out_color_space == JCS_CMYK)
      for (std::uint8_t* row : rows_) inks_to_pixels(row, width(), row);
  }

 private:
  static constexpr int most_scans = 1000;  // more take hours of processor time for a few kilobytes

  struct Errors {
    jpeg_error_mgr manager;  // first, so that a pointer to it is one to this
    std::jmp_buf jump;
    std::array<char, JMSG_LENGTH_MAX> text;
    bool truncated;
  };
  // Gives the library's memory back, also where the constructor throws.
  struct Decoder : jpeg_decompress_struct {
    Decoder() : jpeg_decompress_struct() {}
    Decoder(const Decoder&) = delete;
    Decoder& operator=(const Decoder&) = delete;
    ~Decoder() { jpeg_destroy_decompress(this); }
  };

  // These three hold no objects: the library leaves them by a jump.
  bool create() {
    if (setjmp(errors_.jump)) return false;
    jpeg_create_decompress(&jpeg_);
    return true;
  }
  bool start() {
    if (setjmp(errors_.jump)) return false;
    if (jpeg_read_header(&jpeg_, TRUE) != JPEG_HEADER_OK) return missing_bytes();
    jpeg_.progress = &scans_;
    jpeg_.out_color_space = jpeg_.num_components == 4 ? JCS_CMYK : JCS_EXT_RGBX;
    return jpeg_start_decompress(&jpeg_) || missing_bytes();
  }
  bool decode() {
    if (setjmp(errors_.jump)) return false;
    for (decoded_ = 0; decoded_ < rows_.size();) {
      const JDIMENSION got = jpeg_read_scanlines(&jpeg_, rows_.data() + decoded_,
                                                 static_cast<JDIMENSION>(rows_.size() - decoded_));
      if (got == 0) return missing_bytes();
      decoded_ += got;
    }
    return true;
  }
  bool missing_bytes() {
    errors_.truncated = true;
    return false;
  }
  [[noreturn]] void fail() {
    if (errors_.truncated) bytes_.truncated();
    bytes_.damaged(errors_.text.data());
  }

  ImageBytes bytes_;
  Errors errors_{};
  Decoder jpeg_;
  jpeg_source_mgr source_{};
  jpeg_progress_mgr scans_{};
  std::vector<std::uint8_t*> rows_;
  std::size_t decoded_ = 0;
};

inline std::unique_ptr<ImageRows> open_jpeg(std::string_view bytes, const ImageHeader& header,
                                            std::string_view name) {
  return std::make_unique<JpegRows>(bytes, header, name);
}
inline const bool jpeg_registered = register_image_codec(ImageFormat::Jpeg, open_jpeg);

}  // namespace detail

}  // namespace vlm

#endif  // VLM_HAS_IMAGE
