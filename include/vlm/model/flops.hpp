// Useful FLOP of training: what the matrix products and attention of a step take at least, with the lengths that the
// samples really have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <vlm/model/batch.hpp>
#include <vlm/model/config.hpp>
#include <vlm/model/load.hpp>
#include <vlm/model/network.hpp>

namespace vlm {

// Two FLOP for each weight that a row meets, once forward, once for the gradient of the rows where something before
// learns, once for the gradient of the weight where it learns; of experts, those that are chosen. Rows are patches in
// the encoder, visual tokens in the mergers, tokens in the decoder, and supervised predictions in the head. Attention
// over s rows takes 4 s^2 * width forward and twice that backward, the causal one half of both. Norms, activations and
// recomputation do not count.   Source: PaLM, appendix B (arXiv 2204.02311), for the rule.
template <class Net>
class TrainingFlop {
 public:
  explicit TrainingFlop(const Net& net) {
    const ModelConfig& config = net.config();
    for (const Parameter& p : net.parameters()) {
      const std::string_view name = p.name;
      if (p.record->stored_shape().size() < 2 || name.ends_with("pos_embed.weight")) continue;
      const double products = 2.0 * static_cast<double>(p.count);
      if (name.ends_with("embed_tokens.weight")) {
        if (config.tied) of_prediction_ += products * passes<typename Net::DecoderEnv>;
      } else if (name == "lm_head.weight") {
        of_prediction_ += products * passes<typename Net::HeadEnv>;
      } else if (detail::in_merger(name)) {
        of_visual_token_ += products * passes<typename Net::MergerEnv>;
      } else if (detail::in_encoder(name)) {
        of_patch_ += products * passes<typename Net::EncoderEnv>;
      } else {
        const double share =
            name.find(".experts.") == name.npos
                ? 1
                : static_cast<double>(config.text.chosen) / static_cast<double>(config.text.experts);
        of_token_ += products * share * passes<typename Net::DecoderEnv>;
      }
    }
    of_patch_pair_ = 4.0 * static_cast<double>(config.vision.features * config.vision.depth) *
                     attention_passes<typename Net::EncoderEnv>;
    of_token_pair_ = 2.0 *
                     static_cast<double>(config.text.heads * config.text.head_dim * config.text.layers) *
                     attention_passes<typename Net::DecoderEnv>;
  }

  double operator()(const Batch& batch) const {
    return of_patch_ * static_cast<double>(batch.patch_count()) +
           of_visual_token_ * static_cast<double>(batch.visual_places.size()) +
           of_token_ * static_cast<double>(batch.token_count()) +
           of_prediction_ * static_cast<double>(batch.rows.size()) +
           of_patch_pair_ * squares(batch.tables.offsets) + of_token_pair_ * squares(batch.offsets);
  }

 private:
  template <class E>
  static constexpr double passes = 1.0 + (E::passes ? 1 : 0) + (E::trained ? 1 : 0);
  template <class E>
  static constexpr double attention_passes = E::passes ? 3 : 1;

  // The sum of the squared lengths between borders.
  static double squares(std::span<const std::int32_t> borders) {
    double sum = 0;
    for (std::size_t i = 1; i < borders.size(); ++i) {
      const double length = borders[i] - borders[i - 1];
      sum += length * length;
    }
    return sum;
  }

  double of_patch_ = 0, of_visual_token_ = 0, of_token_ = 0, of_prediction_ = 0;
  double of_patch_pair_ = 0, of_token_pair_ = 0;
};

}  // namespace vlm
