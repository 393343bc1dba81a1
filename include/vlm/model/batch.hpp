// Batch: packed samples as a model reads them. Samples are laid end to end; none attends to another.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/span_of.hpp>
#include <vlm/model/positions.hpp>

namespace vlm {

// One conversation as numbers: tokens with visual placeholders expanded, and the pictures
// that they stand for.
struct Sample {
  std::vector<std::int32_t> tokens;
  std::vector<std::uint8_t> supervised;  // 1 where the token is to be predicted from those before it
  std::vector<Grid> images, videos;
  PatchRows image_patches, video_patches;  // in order

  // Empties the sample and keeps its memory.
  void clear() {
    tokens.clear();
    supervised.clear();
    for (auto* list : {&images, &videos}) list->clear();
    for (auto* list : {&image_patches, &video_patches}) list->clear();
  }
};

struct Batch {
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> offsets{0};      // [samples + 1]
  std::vector<std::int32_t> axes[3];         // positions: time, height, width
  std::vector<std::int32_t> next_positions;  // [samples], of the token that would come next
  std::vector<std::int32_t> visual_places;   // [visual tokens], rows among the tokens
  // [visual tokens], which merged row of the pictures each place takes; empty where all have theirs, in order.
  std::vector<std::int32_t> visual_rows;
  std::vector<float> patches;  // [patches, features], in the order of visual_places
  PatchTables tables;
  // Supervised predictions: the hidden row `rows[i]` is to predict `targets[i]` with weight `weights[i]`.
  std::vector<std::int32_t> rows, targets;
  std::vector<float> weights;

  Index token_count() const { return static_cast<Index>(tokens.size()); }
  Index sample_count() const { return static_cast<Index>(offsets.size()) - 1; }
  Index patch_count() const { return tables.offsets.back(); }

  // Empties the batch and keeps its memory.
  void clear() {
    for (auto* list : {&tokens, &axes[0], &axes[1], &axes[2], &next_positions, &visual_places, &visual_rows,
                       &rows, &targets})
      list->clear();
    offsets.assign(1, 0);
    patches.clear();
    tables.clear();
    weights.clear();
  }

  // Appends a sample; each of its supervised tokens weighs `weight` in the loss. A turn that goes on behind what the
  // cache holds begins at that turn's next position. A sample that is refused leaves the batch as it was.
  void append(const Sample& sample, const ModelConfig& config, float weight = 1.0f,
              std::int32_t first_position = 0);
};

namespace detail {

[[noreturn]] inline void refuse_sample(std::string_view id, std::string expected, std::string got) {
  throw DataError(id, {{"expected", std::move(expected)},
                       {"got", std::move(got)},
                       {"try", "prepare tokens and pictures for this model's config.json"}});
}

// Refuses grids that the tower cannot take, and another number of values than their patch rows have.
inline void check_pictures(std::span<const Grid> grids, std::size_t values, Index most_frames,
                           const VisionSizes& vision) {
  constexpr Index most = 0xffff;
  const Index merge = vision.merge_size;
  std::size_t expected = 0;
  for (const Grid& grid : grids) {
    const bool fits = grid.frames >= 1 && grid.frames <= most_frames && grid.height >= merge &&
                      grid.height <= most && grid.width >= merge && grid.width <= most &&
                      grid.height % merge == 0 && grid.width % merge == 0;
    if (!fits)
      refuse_sample("grid",
                    "one frame in an image; rows and columns that are multiples of " + std::to_string(merge),
                    shape_text(std::array{grid.frames, grid.height, grid.width}));
    expected += static_cast<std::size_t>(grid.patches() * vision.patch_features());
  }
  if (values != expected)
    refuse_sample("patch-rows", std::to_string(expected) + " values of patch rows", std::to_string(values));
}

// Refuses a sample whose tokens, flags and pictures do not fit each other or the model.
inline void check_sample(const Sample& sample, const ModelConfig& config) {
  for (std::int32_t token : sample.tokens)
    if (token < 0 || token >= config.text.vocabulary)
      refuse_sample("token", "tokens from 0 to " + std::to_string(config.text.vocabulary - 1),
                    std::to_string(token));
  if (!sample.supervised.empty() && sample.supervised.size() != sample.tokens.size())
    refuse_sample("supervised",
                  "a flag for each of " + std::to_string(sample.tokens.size()) + " tokens, or none",
                  std::to_string(sample.supervised.size()) + " flags");
  check_pictures(span_of(sample.images), sample.image_patches.size(), 1, config.vision);
  check_pictures(span_of(sample.videos), sample.video_patches.size(), 0xffff, config.vision);
}

// Copies the patch rows of one picture and its tables; its places follow from the tokens.
inline void append_picture(Batch& batch, const Grid& grid, std::span<const float> rows,
                           const VisionSizes& vision) {
  batch.patches.insert(batch.patches.end(), rows.begin(), rows.end());
  append_patch_tables(grid, vision, batch.tables);
}

}  // namespace detail

inline void Batch::append(const Sample& sample, const ModelConfig& config, float weight,
                          std::int32_t first_position) {
  detail::check_sample(sample, config);
  const auto first = static_cast<std::int32_t>(tokens.size());
  std::int32_t next = 0;
  try {
    next = append_positions(span_of(sample.tokens), span_of(sample.images), span_of(sample.videos), config,
                            axes, first_position);
  } catch (...) {
    for (auto& axis : axes) axis.resize(tokens.size());
    throw;
  }
  next_positions.push_back(next);
  tokens.insert(tokens.end(), sample.tokens.begin(), sample.tokens.end());
  offsets.push_back(static_cast<std::int32_t>(tokens.size()));
  for (std::size_t i = 0; i < sample.tokens.size(); ++i) {
    if (i > 0 && i < sample.supervised.size() && sample.supervised[i]) {
      rows.push_back(first + static_cast<std::int32_t>(i) - 1);
      targets.push_back(sample.tokens[i]);
      weights.push_back(weight);
    }
  }
  // All images, then all videos, as in the reference; places follow the same order.
  const auto add_kind = [&](std::int32_t token, const std::vector<Grid>& grids, const PatchRows& patch_rows) {
    const auto features = static_cast<std::size_t>(config.vision.patch_features());
    std::size_t used = 0;
    for (const Grid& grid : grids) {
      const auto size = static_cast<std::size_t>(grid.patches()) * features;
      detail::append_picture(*this, grid, {patch_rows.data() + used, size}, config.vision);
      used += size;
    }
    for (std::size_t i = 0; i < sample.tokens.size(); ++i)
      if (sample.tokens[i] == token) visual_places.push_back(first + static_cast<std::int32_t>(i));
  };
  add_kind(config.image_token, sample.images, sample.image_patches);
  add_kind(config.video_token, sample.videos, sample.video_patches);
}

}  // namespace vlm
