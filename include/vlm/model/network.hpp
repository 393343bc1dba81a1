// Network<Spec, ...>: the four parts of a model and the names under which they stand in Hugging Face files. How rows
// pass through them is model.hpp's.
//   model.visual           the encoder and the mergers
//   model.language_model   the decoder
//   lm_head                the output matrix, where it is not the token table
#pragma once

#include <string_view>

#include <vlm/model/config.hpp>
#include <vlm/model/spec.hpp>
#include <vlm/nn/linear.hpp>
#include <vlm/nn/visit.hpp>

namespace vlm {

namespace detail {

inline bool in_merger(std::string_view name) {
  return name.starts_with("model.visual.merger.") || name.starts_with("model.visual.deepstack_merger_list.");
}
inline bool in_encoder(std::string_view name) {
  return name.starts_with("model.visual.") && !in_merger(name);
}
inline bool in_text(std::string_view name) {
  return name.starts_with("model.language_model.") || name.starts_with("lm_head.");
}

}  // namespace detail

template <class Spec, class EncoderEnv, class MergerEnv, class DecoderEnv, class HeadEnv>
struct Network {
  using EncoderLayer = typename Spec::EncoderSpec::template Layer<EncoderEnv>;
  using MergerLayers = Mergers<MergerEnv, typename Spec::MergerSpec::MergerKind>;
  using DecoderLayer = typename Spec::DecoderSpec::template Layer<DecoderEnv>;
  using HeadLayer = Linear<HeadEnv>;

  EncoderLayer encoder;
  MergerLayers mergers;
  DecoderLayer decoder;
  HeadLayer head;
  bool tied;

  explicit Network(const ModelConfig& c)
      : encoder(c.vision),
        mergers(MergerSizes{.features = c.vision.features,
                            .outputs = c.vision.out_features,
                            .norm_eps = c.vision.norm_eps},
                static_cast<Index>(c.vision.taps.size())),
        decoder(c.text),
        head(c.text.features, c.text.vocabulary),
        tied(c.tied) {}

  // Calls f(name, parameter) for every parameter, in a fixed order.
  template <class F>
  void walk_parameters(F&& f) {
    walk(encoder, "model.visual", f);
    walk(mergers, "model.visual", f);
    walk(decoder, "model.language_model", f);
    if (!tied) walk(head, "lm_head", f);
  }
};

}  // namespace vlm
