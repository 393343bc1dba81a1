// An image as its rows from top to bottom, so that one that is decoded row by row never exists as a whole.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/shape.hpp>
#include <vlm/core/unzeroed.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/orientation.hpp>

namespace vlm {

// Pixels are four bytes: red, green, blue, and one that means nothing. What the bytes or the image of a source were is
// borrowed, and must live as long.
class ImageRows {
 public:
  ImageRows(Index height, Index width) : height_(height), width_(width) {}
  ImageRows(const ImageRows&) = delete;
  ImageRows& operator=(const ImageRows&) = delete;
  virtual ~ImageRows() = default;

  Index height() const { return height_; }
  Index width() const { return width_; }

  // The next `count` rows, `pitch` bytes from one to the next. The caller keeps count: there are height() rows. Throws
  // DataError where the image is damaged.
  virtual void read(std::uint8_t* pixels, Index count, Index pitch) = 0;

 private:
  Index height_, width_;
};

// The rows of an image in memory.
class RowsOfImage final : public ImageRows {
 public:
  explicit RowsOfImage(const Image& image) : ImageRows(image.height, image.width), image_(image) {}

  void read(std::uint8_t* pixels, Index count, Index pitch) override {
    for (Index row = 0; row < count; ++row, ++next_) {
      const std::uint8_t* from = image_.at(next_, 0);
      std::uint8_t* to = pixels + row * pitch;
      for (Index x = 0; x < width(); ++x) {
        to[4 * x] = from[3 * x];
        to[4 * x + 1] = from[3 * x + 1];
        to[4 * x + 2] = from[3 * x + 2];
        to[4 * x + 3] = 255;
      }
    }
  }

 private:
  const Image& image_;
  Index next_ = 0;
};

// The rows of grey levels [height, width] in memory.
class RowsOfGrey final : public ImageRows {
 public:
  RowsOfGrey(Index height, Index width, std::span<const std::uint8_t> levels)
      : ImageRows(height, width), levels_(levels) {}

  void read(std::uint8_t* pixels, Index count, Index pitch) override {
    for (Index row = 0; row < count; ++row, ++next_) {
      const std::uint8_t* from = levels_.data() + next_ * width();
      std::uint8_t* to = pixels + row * pitch;
      for (Index x = 0; x < width(); ++x) std::memset(to + 4 * x, from[x], 4);
    }
  }

 private:
  std::span<const std::uint8_t> levels_;
  Index next_ = 0;
};

// The rows of an image that its decoder gives as a whole, of four bytes each pixel.
class RowsOfPixels final : public ImageRows {
 public:
  using Pixels = std::vector<std::uint8_t, Unzeroed<std::uint8_t>>;
  RowsOfPixels(Index height, Index width, Pixels pixels)
      : ImageRows(height, width), pixels_(std::move(pixels)) {}

  void read(std::uint8_t* pixels, Index count, Index pitch) override {
    for (Index row = 0; row < count; ++row, ++next_)
      std::memcpy(pixels + row * pitch, pixels_.data() + 4 * next_ * width(),
                  static_cast<std::size_t>(4 * width()));
  }

 private:
  Pixels pixels_;
  Index next_ = 0;
};

// Another source's rows as they are shown: turned by an orientation. It holds the whole image.
class TurnedRows final : public ImageRows {
 public:
  TurnedRows(std::unique_ptr<ImageRows> rows, int orientation)
      : ImageRows(swaps_sides(orientation) ? rows->width() : rows->height(),
                  swaps_sides(orientation) ? rows->height() : rows->width()),
        rows_(std::move(rows)),
        orientation_(orientation) {}

  void read(std::uint8_t* pixels, Index count, Index pitch) override {
    const Index stored_height = rows_->height(), stored_width = rows_->width();
    if (pixels_.empty()) {
      pixels_.resize(static_cast<std::size_t>(4 * stored_height * stored_width));
      rows_->read(pixels_.data(), stored_height, 4 * stored_width);
    }
    // A step to the right in the shown image is this step in the stored one.
    const auto place = [&](Index y, Index x) {
      const PixelPlace from = stored_place(orientation_, stored_height, stored_width, y, x);
      return from.y * stored_width + from.x;
    };
    const Index step = width() > 1 ? place(0, 1) - place(0, 0) : 0;
    // Along the columns of all rows, so that rows turned from columns are read side by side.
    constexpr Index block = 16;
    for (Index left = 0; left < width(); left += block)
      for (Index row = 0; row < count; ++row) {
        const std::uint8_t* from = pixels_.data() + 4 * place(next_ + row, left);
        std::uint8_t* to = pixels + row * pitch + 4 * left;
        for (Index x = 0; x < std::min(block, width() - left); ++x)
          std::memcpy(to + 4 * x, from + 4 * x * step, 4);
      }
    next_ += count;
  }

 private:
  std::unique_ptr<ImageRows> rows_;
  int orientation_;
  RowsOfPixels::Pixels pixels_;
  Index next_ = 0;
};

// All rows of a source as an image.
inline Image read_all(ImageRows& rows, std::string_view name) {
  Image image(rows.height(), rows.width(), name);
  constexpr Index chunk = 16;
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(4 * chunk * image.width));
  for (Index y = 0; y < image.height; y += chunk) {
    const Index count = std::min(chunk, image.height - y);
    rows.read(pixels.data(), count, 4 * image.width);
    std::uint8_t* to = image.at(y, 0);
    for (Index i = 0; i < count * image.width; ++i) std::memcpy(to + 3 * i, pixels.data() + 4 * i, 3);
  }
  return image;
}

}  // namespace vlm
