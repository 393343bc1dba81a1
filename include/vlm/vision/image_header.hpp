// What an image file says of itself before any pixel is decoded: its format, its size, and how it is to be turned.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/image_bytes.hpp>
#include <vlm/vision/orientation.hpp>
#include <vlm/vision/png_orientation.hpp>
#include <vlm/vision/pnm.hpp>

namespace vlm {

enum class ImageFormat { Unknown, Pnm, Bmp, Jpeg, Png, WebP, Gif };
inline constexpr std::size_t image_formats = 7;

// The format by the first bytes; the name of a file decides nothing.
inline ImageFormat image_format(std::string_view bytes) {
  if (detail::is_pnm(bytes)) return ImageFormat::Pnm;
  if (bytes.starts_with("BM")) return ImageFormat::Bmp;
  if (bytes.starts_with("\xff\xd8\xff")) return ImageFormat::Jpeg;
  if (bytes.starts_with("\x89PNG")) return ImageFormat::Png;
  if (bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WEBP")) return ImageFormat::WebP;
  if (bytes.starts_with("GIF8")) return ImageFormat::Gif;
  return ImageFormat::Unknown;
}

// "a PNG image"; for unknown bytes what else they may be.
inline const char* format_name(std::string_view bytes) {
  constexpr const char* names[] = {
      "",           "a PBM, PGM or PPM image", "a BMP image", "a JPEG image", "a PNG image", "a WebP image",
      "a GIF image"};
  const ImageFormat format = image_format(bytes);
  if (format != ImageFormat::Unknown) return names[static_cast<std::size_t>(format)];
  if (bytes.empty()) return "an empty file";
  if (bytes.starts_with(std::string_view("\0\0\x08", 3))) return "an IDX file without an index";
  if (bytes.starts_with("\x1f\x8b")) return "a gzip file";
  return "another kind of file";
}

struct ImageHeader {
  ImageFormat format = ImageFormat::Unknown;
  // As the image is shown, which is after it was turned.
  Index height = 0;
  Index width = 0;
  int orientation = upright;
  // Whether decoding holds all pixels at once, and not some rows of them.
  bool whole = false;
};

namespace detail {

// EXIF comes before XMP, as in Pillow.
struct FoundOrientation {
  int exif = 0, xmp = 0;
  int value() const { return exif > 0 ? exif : xmp > 0 ? xmp : upright; }
};

// Markers up to the frame (ITU-T T.81, B.1) and, for the orientation, up to the first scan.
inline ImageHeader jpeg_header(const ImageBytes& bytes) {
  ImageHeader header;
  FoundOrientation found;
  Index components = 0;
  std::string exif;
  constexpr std::string_view exif_mark("Exif\0\0", 6), xmp_mark("http://ns.adobe.com/xap/1.0/\0", 29);
  for (std::size_t at = 2;;) {
    while (bytes.byte(at) != 0xff) ++at;  // bytes between markers are passed over
    while (bytes.byte(at) == 0xff) ++at;
    const Index marker = bytes.byte(at++);
    if (marker == 0xd9) bytes.damaged("its end before any pixels");
    if (marker == 0 || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) continue;
    const auto length = static_cast<std::size_t>(bytes.big16(at));
    if (length < 2) bytes.damaged("a segment of " + std::to_string(length) + " bytes");
    if (marker == 0xda) {
      header.whole = header.whole || bytes.byte(at + 2) < components;  // one scan after the other
      break;
    }
    if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
      header.height = bytes.big16(at + 3);
      header.width = bytes.big16(at + 5);
      components = bytes.byte(at + 7);
      header.whole = marker == 0xc2 || marker == 0xc6 || marker == 0xca || marker == 0xce;  // progressive
    } else if (marker == 0xe1) {
      const std::string_view segment = bytes.text(at + 2, length - 2);
      if (segment.starts_with(exif_mark)) exif += segment.substr(exif_mark.size());
      if (segment.starts_with(xmp_mark)) found.xmp = xmp_orientation(segment.substr(xmp_mark.size()));
    }
    at += length;
  }
  if (header.width == 0) bytes.damaged("pixels before the size of the image");
  found.exif = exif_orientation(exif);
  header.orientation = found.value();
  return header;
}

// Chunks (PNG 1.2, 5.3). The orientation may stand behind the pixels.
inline ImageHeader png_header(const ImageBytes& bytes) {
  if (bytes.text(12, 4) != "IHDR") bytes.damaged("another chunk before its header");
  ImageHeader header;
  header.width = bytes.big32(16);
  header.height = bytes.big32(20);
  header.whole = bytes.byte(28) != 0;  // interlaced
  PngOrientation found;
  for (std::size_t at = 8; bytes.has(at, 12);) {
    const auto length = static_cast<std::size_t>(bytes.big32(at));
    if (!bytes.has(at + 8, length)) break;  // whether pixels are missing is seen when they are decoded
    const std::string_view kind = bytes.text(at + 4, 4), data = bytes.text(at + 8, length);
    found.see(kind, data);
    if (kind == "IEND") break;
    at += length + 12;
  }
  header.orientation = found.value();
  return header;
}

// Chunks of RIFF (WebP container specification).
inline ImageHeader webp_header(const ImageBytes& bytes) {
  ImageHeader header;
  const std::string_view first = bytes.text(12, 4);
  if (first == "VP8 ") {
    if (bytes.text(23, 3) != "\x9d\x01\x2a") bytes.damaged("no start of a key frame");
    header.width = bytes.little16(26) & 0x3fff;
    header.height = bytes.little16(28) & 0x3fff;
  } else if (first == "VP8L") {
    if (bytes.byte(20) != 0x2f) bytes.damaged("no signature of lossless pixels");
    const Index bits = bytes.little32(21);
    header.width = (bits & 0x3fff) + 1;
    header.height = (bits >> 14 & 0x3fff) + 1;
  } else if (first == "VP8X") {
    header.width = bytes.little24(24) + 1;
    header.height = bytes.little24(27) + 1;
    // Only what the flags announce, and the first of it, as libwebp has it.
    const Index flags = bytes.byte(20);
    bool has_exif = (flags & 0x08) == 0, has_xmp = (flags & 0x04) == 0;
    FoundOrientation found;
    for (std::size_t at = 12; bytes.has(at, 8);) {
      const auto length = static_cast<std::size_t>(bytes.little32(at + 4));
      if (!bytes.has(at + 8, length)) break;
      const std::string_view kind = bytes.text(at, 4), data = bytes.text(at + 8, length);
      if (kind == "EXIF" && !std::exchange(has_exif, true)) found.exif = exif_orientation(data);
      if (kind == "XMP " && !std::exchange(has_xmp, true)) found.xmp = xmp_orientation(data);
      at += 8 + length + length % 2;
    }
    header.orientation = found.value();
  } else {
    bytes.damaged("another chunk before its pixels");
  }
  return header;
}

// The screen, widened to hold the first frame (GIF 89a).
inline ImageHeader gif_header(const ImageBytes& bytes) {
  ImageHeader header;
  header.width = bytes.little16(6);
  header.height = bytes.little16(8);
  const Index flags = bytes.byte(10);
  std::size_t at = 13;
  if (flags & 0x80) at += std::size_t{3} << ((flags & 7) + 1);
  for (;;) {
    const Index kind = bytes.byte(at);
    if (kind == ',') break;
    if (kind == ';') bytes.damaged("no frame");
    if (kind != '!') {
      ++at;
      continue;
    }
    at += 2;
    while (const Index block = bytes.byte(at)) at += static_cast<std::size_t>(block) + 1;
    ++at;
  }
  header.width = std::max(header.width, bytes.little16(at + 1) + bytes.little16(at + 5));
  header.height = std::max(header.height, bytes.little16(at + 3) + bytes.little16(at + 7));
  return header;
}

inline ImageHeader bmp_header(const ImageBytes& bytes) {
  ImageHeader header;
  const bool core = bytes.little32(14) == 12;
  header.width = core ? bytes.little16(18) : bytes.little32(18);
  header.height = core ? bytes.little16(20) : bytes.little32(22);
  // A negative height means rows from top to bottom.
  if (!core && bytes.byte(25) == 0xff) header.height = (Index{1} << 32) - header.height;
  return header;
}

inline ImageHeader pnm_image_header(std::string_view text, std::string_view name) {
  const PnmSize size = pnm_size(text, name);
  return {.height = size.height, .width = size.width};
}

}  // namespace detail

// The header of an image file of any format that the library knows, whether or not this build decodes it. Throws
// DataError: [image-format] for other files, [image-truncated] or [image-damaged] for headers that cannot be
// read, [image-size] for more than max_image_pixels. `name` stands in errors.
inline ImageHeader read_image_header(std::string_view bytes, std::string_view name) {
  const ImageBytes reader(bytes, name, format_name(bytes));
  ImageHeader header;
  const ImageFormat format = image_format(bytes);
  switch (format) {
    case ImageFormat::Pnm:
      header = detail::pnm_image_header(bytes, name);
      break;
    case ImageFormat::Bmp:
      header = detail::bmp_header(reader);
      break;
    case ImageFormat::Jpeg:
      header = detail::jpeg_header(reader);
      break;
    case ImageFormat::Png:
      header = detail::png_header(reader);
      break;
    case ImageFormat::WebP:
      header = detail::webp_header(reader);
      break;
    case ImageFormat::Gif:
      header = detail::gif_header(reader);
      break;
    case ImageFormat::Unknown:
      throw DataError("image-format",
                      {{"image", std::string(name)},
                       {"expected", "JPEG, PNG, WebP, GIF, BMP, PBM, PGM, PPM, or FILE#INDEX of an IDX file"},
                       {"got", format_name(bytes)},
                       {"try", "check the path, or save the image as PNG"}});
  }
  header.format = format;
  header.whole = header.whole || (format != ImageFormat::Jpeg && format != ImageFormat::Png) ||
                 header.orientation != upright;
  if (swaps_sides(header.orientation)) std::swap(header.height, header.width);
  check_image_size(header.height, header.width, name);
  return header;
}

}  // namespace vlm
