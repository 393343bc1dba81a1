// BMP images: 1, 4 and 8 bits with a palette, also run-length encoded; 16, 24 and 32 bits. An alpha channel is dropped.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/core/shape.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/image_bytes.hpp>
#include <vlm/vision/image_header.hpp>

namespace vlm {

namespace detail {

class BmpDecoder {
 public:
  BmpDecoder(std::string_view bytes, std::string_view name)
      : bytes_(bytes, name, "a BMP image"), name_(name) {
    const ImageHeader size = bmp_header(bytes_);
    check_image_size(size.height, size.width, name);
    height_ = size.height;
    width_ = size.width;
    read_header();
  }

  Image decode() {
    Image image(height_, width_, name_);
    if (run_length_) decode_runs();
    const auto row_bytes = static_cast<std::size_t>((width_ * bits_ + 31) / 32 * 4);
    if (!run_length_ && !bytes_.has(pixels_at_, row_bytes * static_cast<std::size_t>(height_)))
      bytes_.truncated();
    for (Index row = 0; row < height_; ++row) {
      std::uint8_t* to = image.at(top_down_ ? row : height_ - 1 - row, 0);
      const std::size_t at = pixels_at_ + static_cast<std::size_t>(row) * row_bytes;
      for (Index x = 0; x < width_; ++x)
        if (bits_ <= 8)
          std::memcpy(to + 3 * x, &palette_[3 * (run_length_ ? run_index(row, x) : index(at, x))], 3);
        else
          for (std::size_t c = 0; c < 3; ++c) to[3 * x + static_cast<Index>(c)] = level(at, x, c);
    }
    return image;
  }

 private:
  enum Compression : Index { Raw = 0, Runs8 = 1, Runs4 = 2, Masks = 3 };

  void read_header() {
    const Index header = bytes_.little32(14);
    const bool core = header == 12;
    constexpr Index known[] = {12, 40, 52, 56, 64, 108, 124};
    if (std::find(std::begin(known), std::end(known), header) == std::end(known))
      bytes_.unsupported("a known header", "a header of " + std::to_string(header) + " bytes");
    bits_ = bytes_.little16(core ? 24 : 28);
    const Index compression = core ? Index{Raw} : bytes_.little32(30);
    top_down_ = !core && bytes_.byte(25) == 0xff;
    run_length_ = (compression == Runs8 && bits_ == 8) || (compression == Runs4 && bits_ == 4);
    constexpr Index depths[] = {1, 4, 8, 16, 24, 32};
    const bool depth = std::find(std::begin(depths), std::end(depths), bits_) != std::end(depths);
    if (!depth || !(compression == Raw || run_length_ || (compression == Masks && bits_ >= 16)))
      bytes_.unsupported("1, 4, 8, 16, 24 or 32 bits",
                         std::to_string(bits_) + " bits, compression " + std::to_string(compression));
    if (compression == Masks)
      for (std::size_t c = 0; c < 3; ++c) set_mask(c, bytes_.little32(54 + 4 * c));
    else
      for (std::size_t c = 0; c < 3; ++c)
        set_mask(c, bits_ == 16 ? Index{0x1f} << (10 - 5 * c) : Index{0xff} << (16 - 8 * c));
    const auto after =
        14 + static_cast<std::size_t>(header) + (compression == Masks && header == 40 ? 12 : 0);
    pixels_at_ = static_cast<std::size_t>(bytes_.little32(10));
    if (bits_ <= 8) read_palette(after, core);
    if (pixels_at_ == 0) pixels_at_ = after;
  }

  // Entries that the file does not have are black, or grey where it has none but those, as in Pillow.
  void read_palette(std::size_t at, bool core) {
    Index colours = core ? 0 : bytes_.little32(46);
    if (colours == 0) colours = Index{1} << bits_;
    if (colours > 65536) bytes_.unsupported("at most 65536 colours", std::to_string(colours) + " colours");
    const std::size_t entry = core ? 3 : 4;
    if (pixels_at_ == 14 + static_cast<std::size_t>(core ? 12 : bytes_.little32(14)))
      pixels_at_ += entry * static_cast<std::size_t>(colours);
    const auto count = static_cast<std::size_t>(std::min(colours, Index{256}));
    bool grey = true;
    for (std::size_t i = 0; i < 256; ++i)
      for (std::size_t c = 0; c < 3; ++c) {
        std::uint8_t& level = palette_[3 * i + c];
        level = static_cast<std::uint8_t>(i < count ? bytes_.byte(at + entry * i + 2 - c)
                                          : grey    ? Index(i)
                                                    : 0);
        grey = grey && level == i;
      }
  }

  // Contiguous bits of red (0), green or blue; a mask of zeros stands for the usual place.
  void set_mask(std::size_t channel, Index mask) {
    if (mask == 0) mask = Index{0xff} << (16 - 8 * channel);
    shift_[channel] = 0;
    while ((mask >> shift_[channel] & 1) == 0) ++shift_[channel];
    largest_[channel] = mask >> shift_[channel];
    if ((largest_[channel] & (largest_[channel] + 1)) != 0 || largest_[channel] > 255)
      bytes_.unsupported("masks of at most 8 bits side by side", "the mask " + std::to_string(mask));
  }

  std::size_t index(std::size_t row, Index x) const {
    const Index byte = bytes_.byte(row + static_cast<std::size_t>(x * bits_ / 8));
    return static_cast<std::size_t>(byte >> (8 - bits_ - x * bits_ % 8) & ((Index{1} << bits_) - 1));
  }
  std::uint8_t level(std::size_t row, Index x, std::size_t channel) const {
    const std::size_t at = row + static_cast<std::size_t>(x * bits_ / 8);
    const Index value = bits_ == 16   ? bytes_.little16(at)
                        : bits_ == 24 ? bytes_.little24(at)
                                      : bytes_.little32(at);
    const Index part = value >> shift_[channel] & largest_[channel];
    return static_cast<std::uint8_t>(part * 255 / largest_[channel]);
  }

  std::size_t run_index(Index row, Index x) const {
    return indices_[static_cast<std::size_t>(row * width_ + x)];
  }
  // Runs of one byte, literal bytes, ends of rows, and jumps, from the bottom row upwards.
  void decode_runs() {
    const auto total = static_cast<std::size_t>(height_ * width_), width = static_cast<std::size_t>(width_);
    indices_.reserve(total);
    std::size_t at = pixels_at_, x = 0;
    const auto pad = [&](std::size_t count) { indices_.resize(std::min(total, indices_.size() + count)); };
    const auto put = [&](std::size_t i, std::size_t from) {
      const auto byte = static_cast<unsigned>(bytes_.byte(from + (bits_ == 4 ? i / 2 : i)));
      indices_.push_back(static_cast<std::uint8_t>(bits_ == 8 ? byte : i % 2 == 0 ? byte >> 4 : byte & 15u));
    };
    while (indices_.size() < total) {
      const auto count = static_cast<std::size_t>(bytes_.byte(at));
      const auto value = static_cast<std::size_t>(bytes_.byte(at + 1));
      at += 2;
      if (count > 0) {
        const std::size_t fits = std::min({count, width - std::min(x, width), total - indices_.size()});
        for (std::size_t i = 0; i < fits; ++i) put(bits_ == 4 ? i % 2 : 0, at - 1);
        x += fits;
      } else if (value == 0) {
        pad((width - indices_.size() % width) % width);
        x = 0;
      } else if (value == 1) {
        bytes_.truncated();
      } else if (value == 2) {
        pad(static_cast<std::size_t>(bytes_.byte(at)) +
            static_cast<std::size_t>(bytes_.byte(at + 1)) * width);
        x = indices_.size() % width;
        at += 2;
      } else {
        const std::size_t fits = std::min(value, total - indices_.size());
        for (std::size_t i = 0; i < fits; ++i) put(i, at);
        at += bits_ == 4 ? (value + 1) / 2 : value;
        at += at % 2;  // literal bytes end at an even place
        x += value;
      }
    }
  }

  ImageBytes bytes_;
  std::string_view name_;
  Index height_ = 0, width_ = 0, bits_ = 0;
  bool top_down_ = false, run_length_ = false;
  std::size_t pixels_at_ = 0;
  std::array<std::uint8_t, 768> palette_{};
  std::array<int, 3> shift_{};
  std::array<Index, 3> largest_{};
  std::vector<std::uint8_t> indices_;
};

}  // namespace detail

// `name` stands in errors, which are DataError.
inline Image decode_bmp(std::string_view bytes, std::string_view name) {
  return detail::BmpDecoder(bytes, name).decode();
}

}  // namespace vlm
