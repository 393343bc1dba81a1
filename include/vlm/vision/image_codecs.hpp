// The decoders that a program has. PBM, PGM, PPM and BMP are always there; a translation unit that is compiled with
// VLM_HAS_IMAGE=1 brings those of JPEG, PNG, WebP and GIF, for the whole program.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <vlm/core/error.hpp>
#include <vlm/io/file.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/image_header.hpp>
#include <vlm/vision/image_rows.hpp>

namespace vlm {

// Opens an image whose header was read: its rows as they are stored. The bytes are borrowed.
using ImageOpener = std::unique_ptr<ImageRows> (*)(std::string_view bytes, const ImageHeader& header,
                                                   std::string_view name);

namespace detail {

inline std::array<std::atomic<ImageOpener>, image_formats> image_openers{};

}  // namespace detail

// Makes `open` the decoder of a format, before or while images are read; true, for use as an initialiser.
inline bool register_image_codec(ImageFormat format, ImageOpener open) {
  detail::image_openers[static_cast<std::size_t>(format)].store(open);
  return true;
}
inline ImageOpener image_codec(ImageFormat format) {
  return detail::image_openers[static_cast<std::size_t>(format)].load();
}

// What writes an image as a PNG file; none in a program without that codec.
using ImageWriter = std::string (*)(const Image& image);
namespace detail {
inline std::atomic<ImageWriter> registered_png_writer{nullptr};
}
inline bool register_png_writer(ImageWriter write) {
  detail::registered_png_writer.store(write);
  return true;
}
inline ImageWriter png_writer() { return detail::registered_png_writer.load(); }

// Saves an image as a PNG file; ConfigError [image-format] in a program without that codec.
inline void write_png(const std::string& path, const Image& image) {
  const ImageWriter write = png_writer();
  if (!write)
    throw ConfigError("image-format", {{"file", path},
                                       {"expected", "a program that was built with vlm::image"},
                                       {"got", "one that writes no PNG"},
                                       {"try", "link vlm::image, or write_ppm"}});
  write_file_atomically(path, write(image));
}

// DataError [image-format] where this program does not decode the format.
inline ImageOpener required_image_codec(ImageFormat format, std::string_view bytes, std::string_view name) {
  if (const ImageOpener open = image_codec(format)) return open;
  throw DataError("image-format", {{"image", std::string(name)},
                                   {"expected", "PBM, PGM, PPM or BMP, or FILE#INDEX of an IDX file"},
                                   {"got", format_name(bytes)},
                                   {"try", "build with vlm::image, or convert the image"}});
}

}  // namespace vlm
