// What the fuzz targets of image formats have in common: bytes are an image or a DataError, an image has the size that its
// header says, and decoded row by row it gives the patch rows that it gives as a whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <vlm/vision/cpu/pixel_pass.hpp>
#include <vlm/vision/load_image.hpp>
#include <vlm/vision/patches.hpp>

inline int look_at(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  vlm::ImageSettings settings;
  settings.patch_size = 4;
  settings.budget = {64, 4096};
  try {
    const vlm::ImageHeader header = vlm::read_image_header(bytes, "input");
    if (header.height > (1 << 18) / header.width) return 0;  // larger ones would only take longer
    const vlm::Image image = vlm::decode_image(bytes, "input");
    if (image.height != header.height || image.width != header.width) std::abort();
    vlm::Queue<vlm::Cpu> queue(1);
    if (vlm::patchify(*vlm::open_image(bytes, "input"), settings, queue).rows !=
        vlm::patchify(image, settings).rows)
      std::abort();
  } catch (const vlm::DataError&) {
    // Refused, as most inputs are.
  }
  return 0;
}
