// Three-axis position ids of a token sequence with visual groups, and the 2-D tables of the vision tower.
//   a text token:                     (cur, cur, cur), then cur += 1
//   a group of h x w visual tokens:   (cur, cur + i, cur + j), then cur += max(h, w)
// Each temporal step of a video is a group of its own. Source: the Qwen3-VL reference implementation.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/span_of.hpp>
#include <vlm/model/config.hpp>
#include <vlm/nn/rope.hpp>
#include <vlm/vision/patches.hpp>

namespace vlm {

// Appends the positions of one sample to three axes. `images` and `videos` are its grids in order. Returns the position
// of the token that would come next, on all axes: a decoded token stands there, and a further turn of the conversation
// begins there, as `first`.
inline std::int32_t append_positions(std::span<const std::int32_t> tokens, std::span<const Grid> images,
                                     std::span<const Grid> videos, const ModelConfig& config,
                                     std::vector<std::int32_t> (&axes)[3], std::int32_t first = 0) {
  std::int32_t current = first;
  std::size_t image = 0, video = 0;
  Index video_step = 0;
  for (std::size_t at = 0; at < tokens.size();) {
    const bool is_image = tokens[at] == config.image_token, is_video = tokens[at] == config.video_token;
    if (!is_image && !is_video) {
      for (auto& axis : axes) axis.push_back(current);
      ++current;
      ++at;
      continue;
    }
    const std::size_t index = is_image ? image : video;
    const std::span<const Grid> grids = is_image ? images : videos;
    if (index >= grids.size())
      throw DataError("visual-tokens", {{"at", "token " + std::to_string(at)},
                                        {"expected", "a grid for each group of visual tokens"},
                                        {"got", std::to_string(grids.size()) + " grids"},
                                        {"try", "expand each placeholder to the tokens of its picture"}});
    const Grid& grid = grids[index];
    const Index height = grid.height / config.vision.merge_size,
                width = grid.width / config.vision.merge_size;
    for (Index k = 0; k < height * width; ++k, ++at) {
      if (at >= tokens.size() || tokens[at] != (is_image ? config.image_token : config.video_token))
        throw DataError("visual-tokens",
                        {{"at", "token " + std::to_string(at)},
                         {"expected", std::to_string(height * width) + " visual tokens in a row"},
                         {"got", std::to_string(k)},
                         {"try", "expand each placeholder to the tokens of its picture"}});
      axes[0].push_back(current);
      axes[1].push_back(current + static_cast<std::int32_t>(k / width));
      axes[2].push_back(current + static_cast<std::int32_t>(k % width));
    }
    current += static_cast<std::int32_t>(std::max(height, width));
    if (is_image) {
      ++image;
    } else if (++video_step == grid.frames) {
      video_step = 0;
      ++video;
    }
  }
  if (image != images.size() || video != videos.size() || video_step != 0)
    throw DataError("visual-tokens",
                    {{"expected", std::to_string(images.size()) + " images and " +
                                      std::to_string(videos.size()) + " videos among the tokens"},
                     {"got", std::to_string(image) + " and " + std::to_string(video)},
                     {"try", "pass exactly the pictures that the text mentions"}});
  return current;
}

// What the tower needs of each patch of the given grids, in merge-window order.
struct PatchTables {
  std::vector<std::int32_t> offsets{0};  // attention borders: one segment per temporal step
  std::vector<float> cosine, sine;       // [patches, head_dim / 2]
  std::vector<std::int32_t> corners;     // [patches, 4] rows of the position table
  std::vector<float> weights;            // [patches, 4]
  // Working memory of append_patch_tables, kept so that a full batch can be filled again without allocating.
  std::vector<std::int32_t> places;  // [3, patches of the last picture]: time (not read), height, width
  std::vector<float> frequencies;    // [head_dim / 2]

  void clear() {
    offsets.assign(1, 0);
    cosine.clear();
    sine.clear();
    corners.clear();
    weights.clear();
  }
};

namespace detail {

inline constexpr double vision_rope_theta = 10000;  // no file states it

// Align-corners sampling of `count` points on a line of `side` table entries, in fp32 as the reference's
// linspace: the first half counts up from 0, the second half down from the end.
struct LineSample {
  std::int32_t low, high;
  float share;  // of `high`
};
inline LineSample sample_line(Index index, Index count, Index side) {
  const float end = static_cast<float>(side - 1);
  const float step = count > 1 ? end / static_cast<float>(count - 1) : 0;
  const float at = index < count / 2 ? step * static_cast<float>(index)
                                     : end - step * static_cast<float>(count - 1 - index);
  const float place = count > 1 ? at : 0;
  const auto low = static_cast<std::int32_t>(place);
  return {low, std::min(low + 1, static_cast<std::int32_t>(side - 1)), place - static_cast<float>(low)};
}

}  // namespace detail

// Appends one picture or clip. Source: fast_pos_embed_interpolate and rot_pos_emb of the reference.
inline void append_patch_tables(const Grid& grid, const VisionSizes& n, PatchTables& tables) {
  const Index merge = n.merge_size;
  Index side = 1;
  while (side * side < n.positions) ++side;
  const auto patches = static_cast<std::size_t>(grid.patches());
  tables.places.resize(3 * patches);
  if (tables.frequencies.size() != static_cast<std::size_t>(n.head_dim() / 2))
    tables.frequencies = rope_frequencies<Spatial2D>(detail::vision_rope_theta, n.head_dim());
  std::size_t patch = 0;
  const auto add_patch = [&](Index row, Index column) {
    const detail::LineSample r = detail::sample_line(row, grid.height, side);
    const detail::LineSample c = detail::sample_line(column, grid.width, side);
    const auto line = static_cast<std::int32_t>(side);
    tables.corners.insert(tables.corners.end(), {r.low * line + c.low, r.low * line + c.high,
                                                 r.high * line + c.low, r.high * line + c.high});
    tables.weights.insert(tables.weights.end(), {(1 - r.share) * (1 - c.share), (1 - r.share) * c.share,
                                                 r.share * (1 - c.share), r.share * c.share});
    tables.places[patches + patch] = static_cast<std::int32_t>(row);
    tables.places[2 * patches + patch] = static_cast<std::int32_t>(column);
    ++patch;
  };
  for (Index frame = 0; frame < grid.frames; ++frame) {
    for (Index block_row = 0; block_row < grid.height; block_row += merge)
      for (Index block_column = 0; block_column < grid.width; block_column += merge)
        for (Index i = 0; i < merge; ++i)
          for (Index j = 0; j < merge; ++j) add_patch(block_row + i, block_column + j);
    tables.offsets.push_back(tables.offsets.back() + static_cast<std::int32_t>(grid.height * grid.width));
  }
  append_rope_tables<Spatial2D>(span_of(tables.places), span_of(tables.frequencies), {}, tables.cosine,
                                tables.sine);
}

}  // namespace vlm
