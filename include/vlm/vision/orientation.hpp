// How a camera was held: the orientation tag of EXIF and XMP, and turning rows of pixels accordingly.
#pragma once

#include <cstddef>
#include <string_view>

#include <vlm/core/shape.hpp>

namespace vlm {

// 1 as stored; 2 mirrored left to right; 3 turned by 180 degrees; 4 mirrored top to bottom; 5 transposed; 6 to be turned
// by 90 degrees clockwise; 7 transposed along the other diagonal; 8 to be turned by 90 degrees counter-clockwise. From 5
// on height and width change places.
inline constexpr int upright = 1;
inline bool swaps_sides(int orientation) { return orientation >= 5; }

namespace detail {

inline std::size_t tiff_number(std::string_view tiff, std::size_t at, std::size_t count) {
  std::size_t value = 0;
  for (std::size_t i = 0; i < count; ++i)
    value = value << 8 | static_cast<unsigned char>(tiff[at + (tiff[0] == 'M' ? i : count - 1 - i)]);
  return value;
}

// What the library knows as an orientation; anything else leaves the image as it is stored.
inline int known_orientation(std::size_t value) {
  return value >= 1 && value <= 8 ? static_cast<int>(value) : 0;
}

}  // namespace detail

// The tag 0x0112 of an EXIF block (TIFF 6.0, first directory), with or without "Exif\0\0" before it; 0 where there is
// none. A damaged block has none: it decides nothing but the turn.
inline int exif_orientation(std::string_view block) {
  constexpr std::string_view mark("Exif\0\0", 6);
  for (int i = 0; i < 2 && block.starts_with(mark); ++i) block.remove_prefix(mark.size());
  const bool little = block.starts_with(std::string_view("II*\0", 4));
  if (block.size() < 8 || (!little && !block.starts_with(std::string_view("MM\0*", 4)))) return 0;
  const std::size_t directory = detail::tiff_number(block, 4, 4);
  if (directory > block.size() - 2) return 0;
  const std::size_t entries = detail::tiff_number(block, directory, 2);
  for (std::size_t i = 0, at = directory + 2; i < entries && at + 12 <= block.size(); ++i, at += 12) {
    if (detail::tiff_number(block, at, 2) != 0x0112 || detail::tiff_number(block, at + 4, 4) != 1) continue;
    const std::size_t type = detail::tiff_number(block, at + 2, 2);  // 1 BYTE, 3 SHORT, 4 LONG
    const std::size_t bytes = type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0;
    return detail::known_orientation(detail::tiff_number(block, at + 8, bytes));
  }
  return 0;
}

// The digit of tiff:Orientation in an XMP packet; 0 where there is none.
inline int xmp_orientation(std::string_view packet) {
  constexpr std::string_view key = "tiff:Orientation";
  for (std::size_t at = packet.find(key); at != packet.npos; at = packet.find(key, at + 1)) {
    std::string_view rest = packet.substr(at + key.size());
    if (rest.starts_with("=\""))
      rest.remove_prefix(2);
    else if (rest.starts_with(">"))
      rest.remove_prefix(1);
    else
      continue;
    if (rest.empty() || rest[0] < '0' || rest[0] > '9') continue;
    return detail::known_orientation(static_cast<std::size_t>(rest[0] - '0'));
  }
  return 0;
}

// The place in the stored image [height, width] of the pixel that is shown at (y, x).
struct PixelPlace {
  Index y = 0, x = 0;
};
inline PixelPlace stored_place(int orientation, Index height, Index width, Index y, Index x) {
  switch (orientation) {
    case 2:
      return {y, width - 1 - x};
    case 3:
      return {height - 1 - y, width - 1 - x};
    case 4:
      return {height - 1 - y, x};
    case 5:
      return {x, y};
    case 6:
      return {height - 1 - x, y};
    case 7:
      return {height - 1 - x, width - 1 - y};
    case 8:
      return {x, width - 1 - y};
    default:
      return {y, x};
  }
}

}  // namespace vlm
