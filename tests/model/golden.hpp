// Stored results of the reference implementation (tests/golden), and the model that they belong to: its
// weights and pixels come from a seeded generator that make_reference.py repeats.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/vlm.hpp>

namespace golden {

// Element i of the named stream, exactly representable, in [-1, 1).
inline float uniform(const vlm::Random& random, std::uint64_t i) {
  return static_cast<float>(random.bits(i) >> 40) * 0x1p-23f - 1.0f;
}

inline void fill_parameter(const vlm::Parameter& p, std::uint64_t seed) {
  const vlm::Random random(seed, p.name);
  const std::vector<vlm::Index>& shape = p.record->stored_shape();
  const bool norm = p.name.ends_with("norm.weight") || p.name.ends_with("norm1.weight") ||
                    p.name.ends_with("norm2.weight") || p.name.ends_with("layernorm.weight");
  vlm::Index fan_in = 1;
  for (std::size_t axis = 1; axis < shape.size(); ++axis) fan_in *= shape[axis];
  if (p.name.find(".experts.") != std::string::npos) fan_in = shape[1];
  const float scale = static_cast<float>(std::sqrt(3.0 / static_cast<double>(fan_in)));
  for (std::size_t i = 0; i < p.value.size(); ++i) {
    const float v = uniform(random, i);
    if (shape.size() > 1) {
      p.value[i] = v * scale;
    } else {
      const float share = 0.2f * v;
      p.value[i] = norm ? 1.0f + share : share;
    }
  }
}

template <class T>
std::vector<T> values_of(const vlm::SafetensorsFile& file, std::string_view name) {
  const vlm::StoredTensor* tensor = file.find(name);
  if (!tensor) return {};
  std::vector<T> values(tensor->bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
  return values;
}

struct Case {
  std::string name;
  vlm::ModelConfig config;
  vlm::SafetensorsFile file;
  std::uint64_t seed;

  explicit Case(const std::string& folder)
      : name(folder),
        config(vlm::ModelConfig::load("tests/golden/cases/" + folder)),
        file("tests/golden/cases/" + folder + "/golden.safetensors"),
        seed(static_cast<std::uint64_t>(values_of<std::int64_t>(file, "seed").at(0))) {}

  std::vector<vlm::Grid> grids(std::string_view tensor) const {
    const auto numbers = values_of<std::int64_t>(file, tensor);
    std::vector<vlm::Grid> list;
    for (std::size_t i = 0; i < numbers.size(); i += 3)
      list.push_back({numbers[i], numbers[i + 1], numbers[i + 2]});
    return list;
  }
  std::vector<float> patches(std::span<const vlm::Grid> list, std::string_view stream) const {
    vlm::Index rows = 0;
    for (const vlm::Grid& grid : list) rows += grid.patches();
    std::vector<float> values(static_cast<std::size_t>(rows * config.vision.patch_features()));
    const vlm::Random random(seed, stream);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = uniform(random, i);
    return values;
  }
  // Its samples: each begins at position 0 of all axes.
  std::vector<vlm::Sample> samples() const {
    const auto ids = values_of<std::int64_t>(file, "input_ids"),
               labels = values_of<std::int64_t>(file, "labels"),
               axes = values_of<std::int64_t>(file, "position_ids");
    std::vector<vlm::Sample> list;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (axes[i] + axes[ids.size() + i] + axes[2 * ids.size() + i] == 0) list.emplace_back();
      list.back().tokens.push_back(static_cast<std::int32_t>(ids[i]));
      list.back().supervised.push_back(labels[i] != -100);
    }
    const auto share_out = [&](std::int32_t token, const std::vector<vlm::Grid>& all, std::string_view stream,
                               auto list_of, auto rows_of) {
      const std::vector<float> rows = patches(all, stream);
      std::size_t next = 0, used = 0;
      for (vlm::Sample& sample : list)
        for (auto wanted = std::count(sample.tokens.begin(), sample.tokens.end(), token); wanted > 0;) {
          const vlm::Grid& grid = all.at(next++);
          const auto size = static_cast<std::size_t>(grid.patches() * config.vision.patch_features());
          list_of(sample).push_back(grid);
          rows_of(sample).insert(rows_of(sample).end(), rows.data() + used, rows.data() + used + size);
          used += size;
          wanted -= grid.visual_tokens(config.vision.merge_size);
        }
    };
    using vlm::Sample;
    share_out(
        config.image_token, grids("image_grid_thw"), "pixel_values",
        [](Sample& s) -> auto& { return s.images; }, [](Sample& s) -> auto& { return s.image_patches; });
    share_out(
        config.video_token, grids("video_grid_thw"), "pixel_values_videos",
        [](Sample& s) -> auto& { return s.videos; }, [](Sample& s) -> auto& { return s.video_patches; });
    return list;
  }
  // The sample of a case that has one.
  vlm::Sample sample() const { return samples().at(0); }
};

// max |a - b|; infinity where a number is none.
inline float largest_difference(std::span<const float> a, std::span<const float> b) {
  float largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const float difference = std::abs(a[i] - b[i]);
    if (!std::isfinite(difference)) return std::numeric_limits<float>::infinity();
    largest = std::max(largest, difference);
  }
  return largest;
}

// The Euclidean norm of a tensor, then its products with 32 fixed random vectors.
inline std::vector<double> summary(std::span<const float> values, const std::string& name,
                                   std::uint64_t seed) {
  std::vector<double> numbers(33, 0.0);
  for (float value : values) numbers[0] += static_cast<double>(value) * value;
  numbers[0] = std::sqrt(numbers[0]);
  for (int j = 0; j < 32; ++j) {
    const vlm::Random random(seed, "projection." + std::to_string(j) + "." + name);
    for (std::size_t i = 0; i < values.size(); ++i)
      numbers[static_cast<std::size_t>(j) + 1] += static_cast<double>(values[i]) * uniform(random, i);
  }
  return numbers;
}

// A model with the case's weights, and one forward and backward of a batch with mean cross-entropy.
template <class Spec, class Set = vlm::Trainable<vlm::part::All>, class Keep = vlm::Everything>
struct Run {
  using Net = vlm::Model<Spec, vlm::Cpu, vlm::F32, Set, Keep>;
  Net net;
  std::vector<float> hidden, dhidden, logits;
  double loss = 0;

  Run(const Case& test, std::uint64_t seed) : net(Net::make(test.config, 1)) {
    for (vlm::Parameter& p : net.parameters()) fill_parameter(p, seed);
  }

  vlm::Sequences<vlm::Cpu> text(const vlm::Batch& batch, typename Net::RopeTables& tables) const {
    std::vector<std::int32_t> positions;
    for (const auto& axis : batch.axes) positions.insert(positions.end(), axis.begin(), axis.end());
    net.fill_rope(positions, tables);
    return {.query_offsets = vlm::detail::on_device<vlm::Cpu>(batch.offsets),
            .cosine = vlm::detail::on_device<vlm::Cpu>(tables.cosine, batch.token_count()),
            .sine = vlm::detail::on_device<vlm::Cpu>(tables.sine, batch.token_count())};
  }

  void forward_and_backward(vlm::Runtime<vlm::Cpu>& s, const vlm::Batch& batch) {
    using vlm::Cpu, vlm::Index, vlm::Shape, vlm::View;
    typename Net::RopeTables tables;
    const vlm::Sequences<Cpu> sequences = text(batch, tables);
    const Index tokens = batch.token_count(), features = net.features(),
                vocabulary = net.config().text.vocabulary;
    hidden.assign(static_cast<std::size_t>(tokens * features), 0);
    dhidden = hidden;
    logits.assign(static_cast<std::size_t>(tokens * vocabulary), 0);
    loss = 0;
    net.zero_gradients();
    const View<float, 2, Cpu> h(hidden.data(), Shape<2>{{tokens, features}});
    const View<float, 2, Cpu> dh(dhidden.data(), Shape<2>{{tokens, features}});
    const View<float, 2, Cpu> all(logits.data(), Shape<2>{{tokens, vocabulary}});
    const std::vector<float> weights(batch.weights.size(), 1.0f / static_cast<float>(batch.weights.size()));
    const Index rows = static_cast<Index>(batch.rows.size());
    const auto pass = [&] {
      typename Net::Saved saved;
      net.forward(s, batch, sequences, h, saved);
      s.run(vlm::LinearForward<Cpu, float>{.x = h, .weight = net.head(), .y = all});
      const View<float, 2, Cpu> picked = s.template keep<float>(rows, features),
                                dpicked = s.template keep<float>(rows, features);
      const auto at = vlm::detail::on_device<Cpu>(batch.rows);
      s.run(vlm::TakeRows<Cpu, float>{.into = picked, .at = at, .from = h});
      vlm::run_language_loss(
          s, vlm::LanguageLoss<Cpu, float>{.hidden = picked,
                                           .targets = vlm::detail::on_device<Cpu>(batch.targets),
                                           .weights = vlm::detail::on_device<Cpu>(weights),
                                           .output = net.head(),
                                           .loss = {&loss, Shape<1>{{1}}},
                                           .dhidden = dpicked,
                                           .doutput = net.head_gradient()});
      s.run(vlm::PlaceRows<Cpu, float>{.into = dh, .at = at, .from = dpicked});
      net.backward(s, batch, sequences, saved, dh);
    };
    s.plan(pass);
    pass();
  }
};

}  // namespace golden
