// Samples of text, images and videos for a tiny model, and its hidden rows.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "model/golden.hpp"

namespace golden {

inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

// "..i.v.": text tokens and pictures in turn; each picture stands between its start and end tokens.
inline vlm::Sample draw_sample(const vlm::ModelConfig& config, const std::string& pattern,
                               const std::vector<vlm::Grid>& grids, std::uint64_t seed) {
  vlm::Sample sample;
  const auto features = config.vision.patch_features();
  const vlm::Random random(seed, "sample");
  std::uint64_t drawn = 0;
  std::size_t picture = 0;
  const auto add_group = [&](std::int32_t token, const vlm::Grid& grid) {
    sample.tokens.push_back(config.vision_start_token);
    sample.tokens.insert(sample.tokens.end(), static_cast<std::size_t>(grid.height * grid.width / 4), token);
    sample.tokens.push_back(config.vision_end_token);
  };
  const auto add_pixels = [&](vlm::PatchRows& rows, const vlm::Grid& grid) {
    for (vlm::Index i = 0; i < grid.patches() * features; ++i) rows.push_back(uniform(random, drawn++));
  };
  for (const char kind : pattern) {
    if (kind == '.') {
      sample.tokens.push_back(static_cast<std::int32_t>(random.below(drawn++, 100)));
    } else if (kind == 'i') {
      const vlm::Grid grid = grids.at(picture++);
      sample.images.push_back(grid);
      add_group(config.image_token, grid);
      add_pixels(sample.image_patches, grid);
    } else {
      const vlm::Grid grid = grids.at(picture++);
      sample.videos.push_back(grid);
      for (vlm::Index frame = 0; frame < grid.frames; ++frame) {
        sample.tokens.push_back(static_cast<std::int32_t>(frame + 1));  // its timestamp
        add_group(config.video_token, grid);
      }
      add_pixels(sample.video_patches, grid);
    }
  }
  for (const std::int32_t token : sample.tokens) sample.supervised.push_back(token < 100);
  return sample;
}

inline vlm::Batch pack(const vlm::ModelConfig& config, const std::vector<vlm::Sample>& samples) {
  vlm::Batch batch;
  for (const vlm::Sample& sample : samples) batch.append(sample, config);
  return batch;
}

// A forward without a backward.
template <class Net>
std::vector<float> hidden_rows(const Net& net, const vlm::Batch& batch, bool keeping, int threads = 2) {
  using vlm::Cpu;
  vlm::Runtime<Cpu> s(threads);
  s.keep_activations(keeping);
  typename Net::RopeTables tables;
  std::vector<std::int32_t> positions;
  for (const auto& axis : batch.axes) positions.insert(positions.end(), axis.begin(), axis.end());
  net.fill_rope(positions, tables);
  const vlm::Sequences<Cpu> text{.query_offsets = vlm::detail::on_device<Cpu>(batch.offsets),
                                 .cosine = vlm::detail::on_device<Cpu>(tables.cosine, batch.token_count()),
                                 .sine = vlm::detail::on_device<Cpu>(tables.sine, batch.token_count())};
  std::vector<float> hidden(static_cast<std::size_t>(batch.token_count() * net.features()));
  const vlm::View<float, 2, Cpu> rows(hidden.data(), vlm::Shape<2>{{batch.token_count(), net.features()}});
  const auto pass = [&] {
    typename Net::Saved saved;
    net.forward(s, batch, text, rows, saved);
  };
  s.plan(pass);
  const auto scope = s.scope();
  pass();
  return hidden;
}

}  // namespace golden
