// assemble<Net>(parts): a new model out of parts that were trained apart, which is what training it starts from.
//   encoder   a SigLIP or SigLIP2 folder (Siglip2Model, Siglip2VisionModel), or the tower of a Qwen3-VL folder
//   decoder   a text-only Qwen3 folder, dense or MoE, or the text stream of a Qwen3-VL folder
//   mergers   drawn from a seed
// Of SigLIP, what the tower lacks is left behind: text tower, last norm, pooling head. Its q, k and v become one matrix;
// its patch embedding is shared out among the frames of a patch, so that a still image gives the rows that it gave.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/model/config.hpp>
#include <vlm/model/model.hpp>
#include <vlm/model/weight_index.hpp>

namespace vlm {

struct AssemblyParts {
  std::string encoder, decoder;  // folders
  std::vector<Index> taps{};     // blocks of the encoder whose outputs DeepStack takes
  // Frequencies of time, height and width; without it, shared as in the released models.
  std::optional<RopeSection> section{};
  std::uint64_t seed = 0;  // of the mergers
  // Tokens that stand for pictures; those of Qwen3's tokenizer.
  std::int32_t image_token = 151655, video_token = 151656;
  std::int32_t vision_start_token = 151652, vision_end_token = 151653;
};

namespace detail {

inline Json read_config(const std::string& folder) {
  const std::string path = folder + "/config.json";
  return parse_json(read_file(path), path);
}
inline bool is_qwen3_vl(const Json& config) {
  const Json* vision = config.find("vision_config");
  return vision && vision->find("depth");
}

// The tower of the reference whose sizes a SigLIP configuration states, the vision part of it or alone.
inline VisionSizes read_siglip(const Json& whole) {
  const Json* part = whole.find("vision_config");
  const Json& config = part ? *part : whole;
  const std::string document = config.document(), at = part ? "vision_config." : "";
  VisionSizes n;
  n.depth = depth_at(config, "num_hidden_layers");
  n.features = size_at(config, {"hidden_size"});
  n.intermediate = size_at(config, {"intermediate_size"});
  n.heads = size_at(config, {"num_attention_heads"});
  n.channels = size_or(config, "num_channels", 3);
  n.patch_size = size_or(config, "patch_size", 16);
  check_vision(n, document, at, "num_attention_heads", "num_channels");
  if (first_of(config, {"num_patches"})) {
    n.positions = check_square(size_at(config, {"num_patches"}), document, at + "num_patches");
  } else {
    const Index side = size_at(config, {"image_size"}) / n.patch_size;
    if (side < 1 || side > 0x7fff)
      contradiction(document, at + "image_size", "at least one patch and at most 32767 to a side",
                    std::to_string(side));
    n.positions = side * side;
  }
  require_text(config, "hidden_act", "gelu_pytorch_tanh");
  if (first_of(config, {"layer_norm_eps"}))
    number_at(config, "layer_norm_eps", 0.99e-6, 1.01e-6, "1e-06, which is what the tower's norms have");
  return n;
}

// Hugging Face's names of a SigLIP tower, under those of this library's.
inline WeightIndex siglip_weights(const std::string& folder, const VisionSizes& n) {
  WeightIndex index{SafetensorsFolder(folder)};
  const bool alone = index.folder().find("embeddings.position_embedding.weight") != nullptr;
  const std::string prefix = alone ? "" : "vision_model.", tower = "model.visual.";
  // What remains is put together below, or has no place in the tower; anything else is surplus.
  const auto is_left_behind = [&](std::string_view name) {
    return name.starts_with(prefix + "head.") || name.starts_with(prefix + "post_layernorm.") ||
           name.starts_with("text_model.") || name == "logit_scale" || name == "logit_bias";
  };
  std::vector<std::string> used;
  const auto compose = [&](const std::string& ours, WeightSource::Kind kind,
                           std::vector<std::string> theirs) {
    for (std::string& name : theirs) name = prefix + name;
    used.insert(used.end(), theirs.begin(), theirs.end());
    index.compose(tower + ours, kind, theirs);
  };
  const auto whole = [&](const std::string& ours, const std::string& theirs) {
    for (const char* kind : {".weight", ".bias"})
      compose(ours + kind, WeightSource::Kind::Whole, {theirs + kind});
  };
  compose("patch_embed.proj.weight", WeightSource::Kind::Still, {"embeddings.patch_embedding.weight"});
  compose("patch_embed.proj.bias", WeightSource::Kind::Whole, {"embeddings.patch_embedding.bias"});
  compose("pos_embed.weight", WeightSource::Kind::Whole, {"embeddings.position_embedding.weight"});
  for (Index i = 0; i < n.depth; ++i) {
    const std::string block = "blocks." + std::to_string(i) + ".",
                      layer = "encoder.layers." + std::to_string(i) + ".";
    whole(block + "norm1", layer + "layer_norm1");
    whole(block + "norm2", layer + "layer_norm2");
    whole(block + "mlp.linear_fc1", layer + "mlp.fc1");
    whole(block + "mlp.linear_fc2", layer + "mlp.fc2");
    whole(block + "attn.proj", layer + "self_attn.out_proj");
    for (const std::string kind : {".weight", ".bias"})
      compose(block + "attn.qkv" + kind, WeightSource::Kind::Stacked,
              {layer + "self_attn.q_proj" + kind, layer + "self_attn.k_proj" + kind,
               layer + "self_attn.v_proj" + kind});
  }
  std::sort(used.begin(), used.end());
  index.select([&](const std::string& name) {
    return !is_left_behind(name) && !std::binary_search(used.begin(), used.end(), name);
  });
  return index;
}

// How the released models share 64 frequencies, for any number of them: 24, 20, 20.
inline RopeSection released_section(Index head_dim) {
  const Index pairs = head_dim / 2, side = pairs * 20 / 64;
  return {pairs - 2 * side, side, side};
}

inline Json vision_json(const VisionSizes& n, bool sparse) {
  Json taps = Json::array();
  for (const Index tap : n.taps) taps.push_back(tap);
  return Json::object({{"model_type", sparse ? "qwen3_vl_moe" : "qwen3_vl"},
                       {"depth", n.depth},
                       {"hidden_size", n.features},
                       {"intermediate_size", n.intermediate},
                       {"num_heads", n.heads},
                       {"in_channels", n.channels},
                       {"patch_size", n.patch_size},
                       {"temporal_patch_size", n.temporal_patch_size},
                       {"spatial_merge_size", n.merge_size},
                       {"num_position_embeddings", n.positions},
                       {"out_hidden_size", n.out_features},
                       {"deepstack_visual_indexes", std::move(taps)},
                       {"hidden_act", "gelu_pytorch_tanh"}});
}

// The decoder's own configuration, as the text part of a Qwen3-VL one.
inline Json text_json(const Json& decoder, const TextSizes& n) {
  const bool sparse = n.experts > 0;
  Json text = Json::object();
  for (const auto& [name, value] : decoder.members())
    if (name != "architectures" && name != "transformers_version" && name != "rope_parameters")
      text.set(name, value);
  const Json section = Json::array({n.rope_section[0], n.rope_section[1], n.rope_section[2]});
  text.set("model_type", sparse ? "qwen3_vl_moe_text" : "qwen3_vl_text");
  text.set("rope_theta", n.rope_theta);
  Json rope = Json::object(
      {{"rope_type", n.yarn ? "yarn" : "default"}, {"mrope_section", section}, {"mrope_interleaved", true}});
  if (n.yarn) {
    rope.set("factor", n.yarn->factor);
    rope.set("original_max_position_embeddings", static_cast<std::int64_t>(n.yarn->original_positions));
    rope.set("beta_fast", n.yarn->beta_fast);
    rope.set("beta_slow", n.yarn->beta_slow);
    if (n.yarn->attention_factor) rope.set("attention_factor", *n.yarn->attention_factor);
  }
  text.set("rope_scaling", std::move(rope));
  return text;
}

}  // namespace detail

// The configuration of the assembled model, as its config.json. Throws FileError, ConfigError where a part's cannot be
// read or has no place in such a model.
inline ModelConfig assembled_config(const AssemblyParts& parts) {
  const Json encoder = detail::read_config(parts.encoder), decoder = detail::read_config(parts.decoder);
  const Json* inner = decoder.find("text_config");
  const Json& text_config = inner ? *inner : decoder;
  TextSizes text = detail::read_text(text_config, decoder.document());
  if (!inner && text.experts > 0) detail::require_normed(text_config);
  text.rope_section = parts.section.value_or(detail::released_section(text.head_dim));
  VisionSizes vision = detail::is_qwen3_vl(encoder)
                           ? detail::read_vision(encoder.at("vision_config"), encoder.document())
                           : detail::read_siglip(encoder);
  vision.out_features = text.features;
  vision.taps = parts.taps;
  const Json* tied = detail::first_of(decoder, {"tie_word_embeddings"});
  if (!tied) tied = detail::first_of(text_config, {"tie_word_embeddings"});
  const bool sparse = text.experts > 0;
  Json config = Json::object({{"architectures", Json::array({sparse ? "Qwen3VLMoeForConditionalGeneration"
                                                                    : "Qwen3VLForConditionalGeneration"})},
                              {"model_type", sparse ? "qwen3_vl_moe" : "qwen3_vl"},
                              {"image_token_id", static_cast<std::int64_t>(parts.image_token)},
                              {"video_token_id", static_cast<std::int64_t>(parts.video_token)},
                              {"vision_start_token_id", static_cast<std::int64_t>(parts.vision_start_token)},
                              {"vision_end_token_id", static_cast<std::int64_t>(parts.vision_end_token)},
                              {"tie_word_embeddings", tied && tied->boolean()},
                              {"text_config", detail::text_json(text_config, text)},
                              {"vision_config", detail::vision_json(vision, sparse)}});
  return ModelConfig::parse(write_json(config, 2) + "\n", "assembled config.json");
}

// Net: the type of the model, trained parts among its arguments. Throws FileError [weights] where a folder lacks a
// tensor of its part or holds one too many, ConfigError [config-type] where the parts do not fit the type.
template <class Net>
Net assemble(const AssemblyParts& parts) {
  ModelConfig config = assembled_config(parts);
  Net::require_fit(config);
  WeightIndex encoder = detail::is_qwen3_vl(detail::read_config(parts.encoder))
                            ? WeightIndex{SafetensorsFolder(parts.encoder)}
                            : detail::siglip_weights(parts.encoder, config.vision);
  WeightIndex decoder{SafetensorsFolder(parts.decoder)};
  config.tied = config.tied || !decoder.find("lm_head.weight");
  // The rest of a Qwen3-VL folder belongs to other parts.
  encoder.select([](const std::string& name) { return !detail::in_merger(name) && !detail::in_text(name); });
  decoder.select([](const std::string& name) { return !name.starts_with("model.visual."); });
  return Net::assemble(config, std::move(encoder), parts.encoder, std::move(decoder), parts.decoder,
                       parts.seed);
}

}  // namespace vlm
