// Sizes that fit the patch grid within a pixel budget, and bicubic resampling that is byte-equal to Pillow's:
// Keys kernel with a = -0.5, widened when shrinking, weights as integers with 22 fractional bits, one pass into 8 bits and
// then the other, each rounded and clipped. A side that stays as it is has no pass.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/queue.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/pixel_pass.hpp>

namespace vlm {

struct ImageSize {
  Index height = 0;
  Index width = 0;
  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

// How many pixels a resized image may have.
struct PixelBudget {
  Index min_pixels = 65536;
  Index max_pixels = 16777216;
  friend bool operator==(const PixelBudget&, const PixelBudget&) = default;
};

// `factor` is the side that sizes are multiples of: the patch size times the merge size.
inline void check_pixel_budget(const PixelBudget& budget, Index factor) {
  const auto [least, most] = budget;
  if (least >= 1 && least <= most && most <= max_image_pixels && factor >= 1) return;
  throw ConfigError("pixel-budget",
                    {{"expected", "1 <= min_pixels <= max_pixels <= " + std::to_string(max_image_pixels) +
                                      ", patch size * merge size >= 1"},
                     {"got", "min_pixels " + std::to_string(least) + ", max_pixels " + std::to_string(most) +
                                 ", patch size * merge size " + std::to_string(factor)},
                     {"try", "budgets of the published model, in preprocessor_config.json"}});
}

// The multiples of `factor` nearest to the sides (halves to even), scaled at one ratio when the
// budget asks for it.
inline ImageSize smart_resize(Index height, Index width, Index factor, const PixelBudget& budget) {
  check_pixel_budget(budget, factor);
  check_image_size(height, width, "image to resize");
  if (std::max(height, width) > 200 * std::min(height, width))
    throw DataError("image-aspect",
                    {{"expected", "an aspect ratio of at most 200"},
                     {"got", "height " + std::to_string(height) + ", width " + std::to_string(width)},
                     {"try", "crop the image"}});
  const auto side = [factor](double blocks) { return static_cast<Index>(blocks) * factor; };
  const double h = static_cast<double>(height), w = static_cast<double>(width),
               f = static_cast<double>(factor);
  const ImageSize nearest{side(std::nearbyint(h / f)), side(std::nearbyint(w / f))};
  const Index pixels = nearest.height * nearest.width;
  if (pixels > budget.max_pixels) {
    const double beta = std::sqrt(h * w / static_cast<double>(budget.max_pixels));
    return {std::max(factor, side(std::floor(h / beta / f))),
            std::max(factor, side(std::floor(w / beta / f)))};
  }
  if (pixels < budget.min_pixels) {
    const double beta = std::sqrt(static_cast<double>(budget.min_pixels) / (h * w));
    return {side(std::ceil(h * beta / f)), side(std::ceil(w * beta / f))};
  }
  return nearest;
}

// `image` with other sides. The result does not depend on the queue's threads and level.
inline Image resize_bicubic(const Image& image, Index height, Index width, Queue<Cpu>& queue) {
  check_image(image, "image to resize");
  check_image_size(height, width, "resized image");
  Image resized(height, width);
  RowsOfImage rows(image);
  detail::resize_rows<>(rows, resized, queue);
  return resized;
}
inline Image resize_bicubic(const Image& image, Index height, Index width) {
  Queue<Cpu> queue(1);
  return resize_bicubic(image, height, width, queue);
}

}  // namespace vlm
