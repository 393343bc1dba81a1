// Prompt: a conversation as tokens and the pictures that they stand for; and its cells, by which what was computed
// for one prompt is found again for another that begins alike.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <vlm/core/siphash.hpp>
#include <vlm/core/span_of.hpp>
#include <vlm/model/batch.hpp>
#include <vlm/model/config.hpp>
#include <vlm/model/positions.hpp>
#include <vlm/vision/patches.hpp>

namespace vlm {

// An image or a clip as the tower reads it: a grid and its patch rows, [patches, features]. `key` is a hash of all of
// them, so that pictures which differ in one value have different keys.
struct Picture {
  Grid grid;
  std::shared_ptr<const PatchRows> rows;
  Hash128 key;

  static Picture of(const Grid& grid, PatchRows rows) {
    static_assert(std::endian::native == std::endian::little, "keys are hashes of bytes");
    SipHash hash;
    for (const Index size : {grid.frames, grid.height, grid.width})
      hash.add(static_cast<std::uint64_t>(size));
    hash.add(bytes_of(rows));
    return {grid, std::make_shared<const PatchRows>(std::move(rows)), hash.finish()};
  }
};

struct Prompt {
  std::vector<std::int32_t> tokens;  // with <|image_pad|> and <|video_pad|> once for each visual token
  std::vector<Picture> images, videos;

  static Prompt of(const Sample& sample, const ModelConfig& config) {
    Prompt prompt{sample.tokens, {}, {}};
    const auto cut = [&](const std::vector<Grid>& grids, const PatchRows& rows) {
      std::vector<Picture> pictures;
      const float* next = rows.data();
      for (const Grid& grid : grids) {
        const Index count = grid.patches() * config.vision.patch_features();
        pictures.push_back(Picture::of(grid, {next, next + count}));
        next += count;
      }
      return pictures;
    };
    detail::check_sample(sample, config);
    prompt.images = cut(sample.images, sample.image_patches);
    prompt.videos = cut(sample.videos, sample.video_patches);
    return prompt;
  }
};

// What a cell of the cache holds: a text token, or one row of a picture. Keys and values of a token follow from the
// cells up to it.
struct Cell {
  std::int32_t token = 0;
  std::int32_t row = -1;  // of the picture
  Hash128 picture{};
  friend bool operator==(const Cell&, const Cell&) = default;
};

// A prompt laid out: for each token its cell and its positions, and where its picture stands.
struct PromptLayout {
  std::vector<Cell> cells;
  std::vector<std::int32_t> axes[3];
  std::vector<std::int32_t> pictures;  // of each token, which of the images and then the videos; -1 for text
  std::int32_t next_position = 0;
};

namespace detail {

inline std::vector<Grid> grids_of(const std::vector<Picture>& pictures) {
  std::vector<Grid> grids;
  grids.reserve(pictures.size());
  for (const Picture& picture : pictures) grids.push_back(picture.grid);
  return grids;
}

}  // namespace detail

// Throws DataError [prompt] for a token that the model lacks.
inline void check_prompt_token(std::int32_t token, const ModelConfig& config) {
  if (token < 0 || token >= config.text.vocabulary)
    throw DataError("prompt", {{"expected", "tokens from 0 to " + std::to_string(config.text.vocabulary - 1)},
                               {"got", std::to_string(token)},
                               {"try", "the tokenizer of this model"}});
}

// Throws DataError where tokens, pictures and their rows do not fit each other or the model.
inline PromptLayout lay_out(const Prompt& prompt, const ModelConfig& config) {
  if (prompt.tokens.empty())
    throw DataError("prompt", {{"expected", "at least one token"},
                               {"got", "none"},
                               {"try", "a prompt with a message of the user"}});
  for (const std::int32_t token : prompt.tokens) check_prompt_token(token, config);
  const auto check = [&](const std::vector<Picture>& pictures, Index most_frames) {
    for (const Picture& picture : pictures)
      detail::check_pictures({&picture.grid, 1}, picture.rows ? picture.rows->size() : 0, most_frames,
                             config.vision);
  };
  check(prompt.images, 1);
  check(prompt.videos, 0xffff);
  PromptLayout layout;
  layout.next_position = append_positions(span_of(prompt.tokens), span_of(detail::grids_of(prompt.images)),
                                          span_of(detail::grids_of(prompt.videos)), config, layout.axes);
  struct Place {
    std::size_t picture = 0;
    std::int32_t row = 0;
  };
  Place image, video;
  const auto take = [&](Place& at, const std::vector<Picture>& list, std::size_t before, std::int32_t token) {
    const Picture& picture = list[at.picture];
    layout.cells.push_back({token, at.row, picture.key});
    layout.pictures.push_back(static_cast<std::int32_t>(before + at.picture));
    if (++at.row == picture.grid.visual_tokens(config.vision.merge_size)) at = {at.picture + 1, 0};
  };
  for (const std::int32_t token : prompt.tokens) {
    if (token == config.image_token) {
      take(image, prompt.images, 0, token);
    } else if (token == config.video_token) {
      take(video, prompt.videos, prompt.images.size(), token);
    } else {
      layout.cells.push_back({token, -1, {}});
      layout.pictures.push_back(-1);
    }
  }
  return layout;
}

}  // namespace vlm
