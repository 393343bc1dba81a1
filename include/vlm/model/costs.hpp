// What a given work needs before anything is allocated: the model's own passes run in measuring mode, on a model whose
// parameters have no memory. So the numbers cannot drift from what training and answering take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <vlm/core/runtime.hpp>
#include <vlm/model/config.hpp>
#include <vlm/model/passes.hpp>
#include <vlm/vision/patches.hpp>

namespace vlm {

// Sequences that pass together: each has `text_tokens` and the tokens of its pictures.
struct Work {
  Index samples = 1;
  Index text_tokens = 0;
  std::vector<Grid> pictures{};  // of each sample; a clip has a grid with several frames
  Index answer_tokens = 0;       // that each sequence grows by, when answering

  Index visual_tokens(const ModelConfig& config) const {
    Index tokens = 0;
    for (const Grid& grid : pictures) tokens += grid.visual_tokens(config.vision.merge_size);
    return tokens;
  }
  // Of one sequence.
  Index tokens(const ModelConfig& config) const { return text_tokens + visual_tokens(config); }
  // Of all sequences in one batch, every text token predicted.
  BatchSizes sizes(const ModelConfig& config) const;
};

// Bytes by what they hold.
struct TrainingCosts {
  std::size_t weights = 0;      // frozen ones as stored (mapped), trained ones in f32
  std::size_t gradients = 0;    // of trained parameters
  std::size_t optimizer = 0;    // AdamW's two moments of trained parameters
  std::size_t activations = 0;  // kept rows and scratch at the peak of a step
  std::size_t patch_rows = 0;   // pixels of the batch
  std::size_t total() const { return weights + gradients + optimizer + activations + patch_rows; }
};
struct ServingCosts {
  std::size_t weights = 0;  // as stored (mapped)
  Index cells = 0;          // of the key/value cache, in each block
  std::size_t cache = 0;
  std::size_t activations = 0;  // at the peak of the pass over the prompts
  std::size_t patch_rows = 0;
  std::size_t total() const { return weights + cache + activations + patch_rows; }
};

namespace detail {

// Sums and products of what users ask for stay far below 2^63.
inline void check_work(const Work& work, const ModelConfig& config) {
  constexpr Index most = 0x7fffffff;
  const auto in_range = [](Index value, Index least) { return value >= least && value <= most; };
  bool fits = in_range(work.samples, 1) && in_range(work.text_tokens, 0) && in_range(work.answer_tokens, 0);
  Index patches = 0;
  for (const Grid& grid : work.pictures) {
    fits = fits && in_range(grid.frames, 1) && in_range(grid.height, 1) && in_range(grid.width, 1) &&
           in_range(grid.height * grid.width, 1) && in_range(grid.frames * (grid.height * grid.width), 1);
    if (fits) patches += grid.patches();
    fits = fits && in_range(patches, 1);
  }
  if (fits) {
    const Index cells = work.tokens(config) + work.answer_tokens;
    fits = in_range(cells, 1) && in_range(cells * work.samples, 1) && in_range(patches * work.samples, 0);
  }
  if (fits) return;
  throw ConfigError(
      "work-size", {{"expected", "1 to 2147483647 tokens and patches in all"},
                    {"got", std::to_string(work.samples) + " samples of " + std::to_string(work.text_tokens) +
                                " text tokens, " + std::to_string(work.pictures.size()) + " pictures and " +
                                std::to_string(work.answer_tokens) + " answer tokens"},
                    {"try", "fewer samples, pictures or tokens at once"}});
}

inline std::size_t patch_row_bytes(const BatchSizes& sizes, const ModelConfig& config) {
  return sizes.patches * static_cast<std::size_t>(config.vision.patch_features()) * sizeof(float);
}

}  // namespace detail

inline BatchSizes Work::sizes(const ModelConfig& config) const {
  const auto times = static_cast<std::size_t>(samples);
  BatchSizes sizes{.tokens = times * static_cast<std::size_t>(tokens(config)),
                   .patches = 0,
                   .samples = times + 1,
                   .segments = 1,
                   .rows = times * static_cast<std::size_t>(text_tokens)};
  for (const Grid& grid : pictures) {
    sizes.patches += times * static_cast<std::size_t>(grid.patches());
    sizes.segments += times * static_cast<std::size_t>(grid.frames);
  }
  return sizes;
}

// A step over one micro-batch by a model type that trains: Model<Spec, Cpu, F32, Trainable<...>, Keep>. Throws
// ConfigError where the configuration is another type's [config-type] or the work cannot be counted [work-size].
template <class Net>
TrainingCosts training_costs(const ModelConfig& config, const Work& work, int threads = 0) {
  detail::check_work(work, config);
  const Net net = Net::outline(config);
  const BatchSizes sizes = work.sizes(config);
  const Batch batch = sizes.outline(config.vision.merge_size * config.vision.merge_size);
  Runtime<typename Net::Device> runtime(threads);
  float balance = 0;
  runtime.balance() = {.coefficient = 1, .loss = {&balance, Shape<1>{{1}}}};
  typename Net::RopeTables tables;
  double loss = 0;
  TrainingCosts costs{.weights = net.weight_bytes(),
                      .gradients = net.gradient_bytes(),
                      .patch_rows = detail::patch_row_bytes(sizes, config)};
  for (const Parameter& p : net.parameters())
    if (p.trained) costs.optimizer += 2 * static_cast<std::size_t>(p.count) * sizeof(float);
  costs.activations = runtime.measure([&] { run_training_pass(runtime, net, batch, tables, loss); });
  return costs;
}

// Answers to all sequences at once, by a Generator of this model type.
template <class Net>
ServingCosts serving_costs(const ModelConfig& config, const Work& work, int threads = 0) {
  using Device = typename Net::Device;
  detail::check_work(work, config);
  const Net net = Net::outline(config);
  const BatchSizes sizes = work.sizes(config);
  const Batch batch = sizes.outline(config.vision.merge_size * config.vision.merge_size);
  Runtime<Device> runtime(threads);
  runtime.keep_activations(false);
  const Index grown = work.answer_tokens > 0 ? work.answer_tokens - 1 : 0;  // the last token never passes
  const TextSizes& text = config.text;
  ServingCosts costs{.weights = net.weight_bytes(),
                     .cells = work.samples * (work.tokens(config) + grown),
                     .patch_rows = detail::patch_row_bytes(sizes, config)};
  costs.cache = 2 * static_cast<std::size_t>(text.layers * costs.cells) *
                static_cast<std::size_t>(text.kv_heads * text.head_dim) * sizeof(float);
  const std::vector<std::int32_t> last(static_cast<std::size_t>(work.samples));
  costs.activations = runtime.measure([&] {
    run_logits_pass(runtime, net, batch, {.query_offsets = detail::on_device<Device>(batch.offsets)}, last,
                    [](const typename Net::Rows&) {});
  });
  return costs;
}

}  // namespace vlm
