// Images of 8-bit RGB, interleaved [height, width, 3], and the largest that the library touches.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>

namespace vlm {

// The largest image that is read, resized or written.
inline constexpr Index max_image_pixels = Index{1} << 28;

namespace detail {

// What to try with an image of too many pixels: the largest size of its shape that fits.
inline std::string largest_size_that_fits(Index height, Index width) {
  if (height < 1 || width < 1) return {};
  const double h = static_cast<double>(height), w = static_cast<double>(width);
  const double scale = std::sqrt(static_cast<double>(max_image_pixels) / h / w);
  const auto side = [](double size) { return std::to_string(size < 1 ? 1 : static_cast<Index>(size)); };
  return "scale it to at most height " + side(h * scale) + ", width " + side(w * scale);
}

}  // namespace detail

// `name` says in the error which image is meant.
inline void check_image_size(Index height, Index width, std::string_view name) {
  if (height > 0 && width > 0 && height <= max_image_pixels / width) return;
  throw DataError("image-size",
                  {{"image", std::string(name)},
                   {"expected", "1 to " + std::to_string(max_image_pixels) + " pixels"},
                   {"got", "height " + std::to_string(height) + ", width " + std::to_string(width)},
                   {"try", detail::largest_size_that_fits(height, width)}});
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

// An image that a caller made: [image-size], or [image-pixels] where it has not three bytes for each pixel.
inline void check_image(const Image& image, std::string_view name) {
  check_image_size(image.height, image.width, name);
  const auto bytes = static_cast<std::size_t>(image.height * image.width * 3);
  if (image.pixels.size() == bytes) return;
  throw DataError("image-pixels", {{"image", std::string(name)},
                                   {"expected", std::to_string(bytes) + " bytes, three for each of " +
                                                    std::to_string(image.height) + " x " +
                                                    std::to_string(image.width) + " pixels"},
                                   {"got", std::to_string(image.pixels.size()) + " bytes"},
                                   {"try", "red, green and blue of each pixel, row after row"}});
}

}  // namespace vlm
