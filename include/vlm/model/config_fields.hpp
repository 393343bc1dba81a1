// The fields of a config.json as sizes, each checked where it is read: what config.hpp and assemble.hpp are made of.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/dtype.hpp>
#include <vlm/core/error.hpp>
#include <vlm/io/json.hpp>
#include <vlm/text/qwen3.hpp>
#include <vlm/vision/siglip2.hpp>

namespace vlm::detail {

inline const Json* first_of(const Json& object, std::initializer_list<std::string_view> names) {
  for (std::string_view name : names)
    if (const Json* found = object.find(name); found && !found->is_null()) return found;
  return nullptr;
}

// A size: an integer from 1 to 2^31 - 1.
inline Index size_at(const Json& object, std::initializer_list<std::string_view> names) {
  const Json* found = first_of(object, names);
  const Json& value = found ? *found : object.at(*names.begin());
  const Index size = value.integer();
  if (size < 1 || size > 0x7fffffff)
    throw ConfigError("config-size",
                      {{"file", value.document()},
                       {"at", value.path()},
                       {"expected", "a size from 1 to 2147483647"},
                       {"got", std::to_string(size)},
                       {"try", "correct config.json, or take it from the checkpoint's source"}});
  return size;
}

inline Index size_or(const Json& object, std::string_view name, Index otherwise) {
  const Json* found = first_of(object, {name});
  return found ? size_at(object, {name}) : otherwise;
}

[[noreturn]] inline void contradiction(std::string_view document, std::string_view where,
                                       std::string expected, std::string got) {
  throw ConfigError("config-contradiction",
                    {{"file", std::string(document)},
                     {"at", std::string(where)},
                     {"expected", std::move(expected)},
                     {"got", std::move(got)},
                     {"try", "correct config.json, or take it from the checkpoint's source"}});
}

inline DType read_dtype(const Json& value) {
  for (const auto& [name, dtype] :
       {std::pair{"bfloat16", DType::BF16}, {"float32", DType::F32}, {"float16", DType::F16}})
    if (value.string() == name) return dtype;
  contradiction(value.document(), value.path(), "bfloat16, float16 or float32", '"' + value.string() + '"');
}

// A number from `least` to `most`.
inline double number_at(const Json& config, std::string_view name, double least, double most,
                        const char* expected) {
  const Json& value = config.at(name);
  const double number = value.number();
  if (number >= least && number <= most) return number;
  contradiction(value.document(), value.path(), expected, kind_and_value(value));
}

// Settings that change what a layer computes: where the file states one, it must be what the layer does.
inline void require_text(const Json& config, std::string_view name, const std::string& only) {
  if (const Json* value = first_of(config, {name}); value && value->string() != only)
    contradiction(value->document(), value->path(), '"' + only + "\", which is what the layers compute",
                  '"' + value->string() + '"');
}
inline void require_off(const Json& config, std::string_view name) {
  if (const Json* value = first_of(config, {name}); value && value->boolean())
    contradiction(value->document(), value->path(), "false; the layers have no such thing", "true");
}

// The router's weights always sum to 1; text-only decoders can be trained otherwise.
inline void require_normed(const Json& config) {
  if (const Json* value = first_of(config, {"norm_topk_prob"}); !value || !value->boolean())
    contradiction(config.document(), path_below(config.path(), "norm_topk_prob"),
                  "true; the weights of chosen experts sum to 1", value ? "false" : "no such field");
}

// Blocks of a stack: each is an object in memory, so a number that no model has is refused before they are made.
inline Index depth_at(const Json& config, std::string_view name) {
  constexpr Index most = 10000;
  const Index depth = size_at(config, {name});
  if (depth > most)
    contradiction(config.document(), config.at(name).path(), "at most " + std::to_string(most) + " blocks",
                  std::to_string(depth));
  return depth;
}

inline Index check_square(Index positions, std::string_view document, std::string_view where) {
  Index side = 1;
  while (side * side < positions) ++side;
  if (side * side != positions) contradiction(document, where, "a square number", std::to_string(positions));
  return positions;
}

// What a tower must be, whatever file it was read from. `at`: the path of its configuration, with a dot at its end.
inline void check_vision(const VisionSizes& n, std::string_view document, const std::string& at,
                         const char* heads, const char* channels) {
  for (const auto& [field, size] : {std::pair<const char*, Index>{"patch_size", n.patch_size},
                                    {"temporal_patch_size", n.temporal_patch_size},
                                    {channels, n.channels}})
    if (size > 1024) contradiction(document, at + field, "at most 1024", std::to_string(size));
  if (n.features % n.heads != 0 || n.head_dim() % 8 != 0)
    contradiction(document, at + heads, "heads whose size is a multiple of 8",
                  std::to_string(n.features) + " features in " + std::to_string(n.heads) + " heads");
}

inline VisionSizes read_vision(const Json& config, const std::string& document) {
  VisionSizes n;
  n.depth = depth_at(config, "depth");
  n.features = size_at(config, {"hidden_size"});
  n.intermediate = size_at(config, {"intermediate_size"});
  n.heads = size_at(config, {"num_heads"});
  n.channels =
      first_of(config, {"in_channels", "in_chans"}) ? size_at(config, {"in_channels", "in_chans"}) : 3;
  n.patch_size = size_at(config, {"patch_size"});
  n.temporal_patch_size = size_at(config, {"temporal_patch_size"});
  n.merge_size = size_at(config, {"spatial_merge_size"});
  n.positions = size_at(config, {"num_position_embeddings"});
  n.out_features = size_at(config, {"out_hidden_size"});
  for (const Json& tap : config.at("deepstack_visual_indexes").items()) {
    const Index index = tap.integer();
    if (index < 0 || index >= n.depth || (!n.taps.empty() && index <= n.taps.back()))
      contradiction(document, tap.path(), "rising block indexes below depth " + std::to_string(n.depth),
                    std::to_string(index));
    n.taps.push_back(index);
  }
  if (n.merge_size != 2)
    contradiction(document, "vision_config.spatial_merge_size", "2", std::to_string(n.merge_size));
  check_vision(n, document, "vision_config.", "num_heads", "in_channels");
  check_square(n.positions, document, "vision_config.num_position_embeddings");
  require_text(config, "hidden_act", "gelu_pytorch_tanh");
  return n;
}

// The member of the rotary settings, which stand in an object of their own or among the other fields.
inline const Json* find_rope(const Json& config, std::initializer_list<std::string_view> names) {
  const Json* inner = first_of(config, {"rope_scaling", "rope_parameters"});
  const Json* found = inner ? first_of(*inner, names) : nullptr;
  return found ? found : first_of(config, names);
}

// The settings of rope_type "yarn". A file without a factor means the ratio of the two contexts.
inline Yarn read_yarn(const Json& config, const std::string& document) {
  Yarn yarn;
  const auto read = [&](std::string_view name, double& number, double least, double most,
                        const char* expected) {
    const Json* value = find_rope(config, {name});
    if (!value) return false;
    number = value->number();
    if (!(number >= least && number <= most))
      contradiction(document, value->path(), expected, kind_and_value(*value));
    return true;
  };
  constexpr const char* positions = "a context from 1 to 2147483647 tokens";
  double longest = 0;
  const bool has_longest = read("max_position_embeddings", longest, 1, 0x7fffffff, positions);
  const bool has_original =
      read("original_max_position_embeddings", yarn.original_positions, 1, 0x7fffffff, positions);
  if (!has_original && has_longest) yarn.original_positions = longest;
  if (!read("factor", yarn.factor, 1, 1000, "a factor from 1 to 1000")) {
    if (!has_original || !has_longest || longest < yarn.original_positions)
      contradiction(document, path_below(path_below(config.path(), "rope_scaling"), "factor"),
                    "a factor from 1 to 1000", "none");
    yarn.factor = longest / yarn.original_positions;
  }
  read("beta_fast", yarn.beta_fast, 1e-3, 1e6, "a positive number of turns");
  read("beta_slow", yarn.beta_slow, 1e-3, 1e6, "a positive number of turns");
  double attention = 0;
  if (read("attention_factor", attention, 1e-3, 1e3, "a factor from 0.001 to 1000"))
    yarn.attention_factor = attention;
  for (const char* name : {"mscale", "mscale_all_dim"})
    if (const Json* value = find_rope(config, {name}))
      contradiction(document, value->path(), "no such field; attention_factor says it",
                    kind_and_value(*value));
  if (const Json* truncates = find_rope(config, {"truncate"}); truncates && !truncates->boolean())
    contradiction(document, truncates->path(), "true, the ramp begins and ends at whole pairs", "false");
  return yarn;
}

inline void read_rope(const Json& config, TextSizes& n, const std::string& document) {
  const Json* theta = find_rope(config, {"rope_theta"});
  const Json& base = theta ? *theta : config.at("rope_theta");
  n.rope_theta = base.number();
  if (!(n.rope_theta > 0 && n.rope_theta < 1e30))
    contradiction(document, base.path(), "a positive number", std::to_string(n.rope_theta));
  const Json* kind = find_rope(config, {"rope_type", "type"});
  if (kind && kind->string() == "yarn")
    n.yarn = read_yarn(config, document);
  else if (kind && kind->string() != "default" && kind->string() != "mrope")
    contradiction(document, kind->path(), "\"default\" or \"yarn\" (other kinds are not supported)",
                  '"' + kind->string() + '"');
  if (const Json* interleaved = find_rope(config, {"mrope_interleaved"}))
    n.rope_interleaved = interleaved->boolean();
}

// How the frequencies of a head are shared among time, height and width.
inline void read_sections(const Json& config, TextSizes& n, const std::string& document) {
  const Json* found = find_rope(config, {"mrope_section"});
  const Json* inner = first_of(config, {"rope_scaling", "rope_parameters"});
  const Json& list = found ? *found : (inner ? *inner : config).at("mrope_section");
  const std::vector<Json>& section = list.items();
  Index sum = 0;
  bool positive = true;
  for (std::size_t axis = 0; axis < section.size() && axis < 3; ++axis) {
    n.rope_section[axis] = section[axis].integer();
    positive = positive && n.rope_section[axis] >= 0 && n.rope_section[axis] <= n.head_dim;
    sum += positive ? n.rope_section[axis] : 0;
  }
  if (section.size() != 3 || !positive || sum != n.head_dim / 2)
    contradiction(document, list.path(),
                  "three counts that sum to half of head_dim " + std::to_string(n.head_dim),
                  shape_text(n.rope_section) + " of " + std::to_string(section.size()));
}

inline TextSizes read_text(const Json& config, const std::string& document) {
  TextSizes n;
  n.vocabulary = size_at(config, {"vocab_size"});
  n.features = size_at(config, {"hidden_size"});
  n.layers = depth_at(config, "num_hidden_layers");
  n.heads = size_at(config, {"num_attention_heads"});
  n.kv_heads = size_at(config, {"num_key_value_heads"});
  n.head_dim = size_at(config, {"head_dim"});
  n.norm_eps = static_cast<float>(number_at(config, "rms_norm_eps", 1e-30, 1, "a positive number up to 1"));
  require_text(config, "hidden_act", "silu");
  for (const char* setting : {"attention_bias", "use_sliding_window"}) require_off(config, setting);
  const Json* experts = first_of(config, {"num_experts", "num_local_experts"});
  if (experts && experts->integer() != 0) {
    n.experts = size_at(config, {"num_experts", "num_local_experts"});
    n.chosen = size_at(config, {"num_experts_per_tok"});
    n.expert_intermediate = size_at(config, {"moe_intermediate_size"});
    if (n.chosen > n.experts)
      contradiction(document, config.at("num_experts_per_tok").path(),
                    "at most num_experts " + std::to_string(n.experts), std::to_string(n.chosen));
    const Json* dense_layers = first_of(config, {"mlp_only_layers"});
    if ((dense_layers && !dense_layers->items().empty()) || size_or(config, "decoder_sparse_step", 1) != 1)
      contradiction(document, path_below(config.path(), "mlp_only_layers"), "every layer sparse",
                    "a mix of dense and sparse layers");
  } else {
    n.intermediate = size_at(config, {"intermediate_size"});
  }
  if (n.head_dim > 8192)
    contradiction(document, config.at("head_dim").path(), "at most 8192", std::to_string(n.head_dim));
  if (n.head_dim % 8 != 0)
    contradiction(document, config.at("head_dim").path(), "a multiple of 8", std::to_string(n.head_dim));
  if (n.heads % n.kv_heads != 0)
    contradiction(document, config.at("num_key_value_heads").path(),
                  "a divisor of num_attention_heads " + std::to_string(n.heads), std::to_string(n.kv_heads));
  read_rope(config, n, document);
  return n;
}

}  // namespace vlm::detail
