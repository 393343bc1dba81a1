// What an image will cost, from its size alone: known before any pixel is decoded.
#pragma once

#include <string>

#include <vlm/core/shape.hpp>
#include <vlm/io/file.hpp>
#include <vlm/vision/image_header.hpp>
#include <vlm/vision/patches.hpp>
#include <vlm/vision/resize.hpp>

namespace vlm {

struct ImageCost {
  ImageSize resized;
  Grid grid;
  Index tokens = 0;     // places in the model's context
  Index row_bytes = 0;  // of the patch rows
  Index decoded_bytes =
      0;  // of the pixels that decoding holds at once, beside some rows; 0 where it goes row by row
};

// Throws what smart_resize throws.
inline ImageCost image_cost(Index height, Index width, const ImageSettings& settings) {
  ImageCost cost;
  cost.resized = smart_resize(height, width, settings.factor(), settings.budget);
  cost.grid = image_grid(height, width, settings);
  cost.tokens = cost.grid.visual_tokens(settings.merge_size);
  cost.row_bytes = cost.grid.patches() * settings.features() * static_cast<Index>(sizeof(float));
  return cost;
}
inline ImageCost image_cost(const ImageHeader& header, const ImageSettings& settings) {
  ImageCost cost = image_cost(header.height, header.width, settings);
  if (header.whole) cost.decoded_bytes = 4 * header.height * header.width;
  return cost;
}
// Of an image file, of which nothing but its header is read.
inline ImageCost image_cost(const std::string& path, const ImageSettings& settings) {
  return image_cost(read_image_header(MappedFile(path).text(), path), settings);
}

}  // namespace vlm
