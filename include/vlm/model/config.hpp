// config.json as sizes, in the spellings of the released files and of later re-saves;
// contradictions are ConfigErrors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <vlm/io/file.hpp>
#include <vlm/io/folder.hpp>
#include <vlm/io/json.hpp>
#include <vlm/text/qwen3.hpp>
#include <vlm/vision/siglip2.hpp>

namespace vlm {

struct ModelConfig {
  VisionSizes vision;
  TextSizes text;
  std::int32_t image_token = 151655, video_token = 151656;
  std::int32_t vision_start_token = 151652, vision_end_token = 151653;
  bool tied = false;         // the head is the token table
  DType dtype = DType::F32;  // of the weights, where the file says it; the header of the weights decides
  float initial_deviation = 0.02f;
  std::string text_of_file;  // the document itself, written back when the model is saved

  static ModelConfig parse(std::string_view text, std::string_view document);
  // `path`: a folder, or the file itself.
  static ModelConfig load(const std::string& path) {
    const std::string file = is_folder(path) || !path.ends_with(".json") ? path + "/config.json" : path;
    return parse(read_file(file), file);
  }
};

namespace detail {

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
    throw ConfigError("config-size", {{"file", value.document()},
                                      {"at", value.path()},
                                      {"expected", "a size from 1 to 2147483647"},
                                      {"got", std::to_string(size)}});
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

inline VisionSizes read_vision(const Json& config, const std::string& document) {
  VisionSizes n;
  n.depth = size_at(config, {"depth"});
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
  for (const auto& [field, size] : {std::pair{"patch_size", n.patch_size},
                                    {"temporal_patch_size", n.temporal_patch_size},
                                    {"in_channels", n.channels}})
    if (size > 1024)
      contradiction(document, std::string("vision_config.") + field, "at most 1024", std::to_string(size));
  if (n.merge_size != 2)
    contradiction(document, "vision_config.spatial_merge_size", "2", std::to_string(n.merge_size));
  if (n.features % n.heads != 0 || n.head_dim() % 8 != 0)
    contradiction(document, "vision_config.num_heads", "heads whose size is a multiple of 8",
                  std::to_string(n.features) + " features in " + std::to_string(n.heads) + " heads");
  Index side = 1;
  while (side * side < n.positions) ++side;
  if (side * side != n.positions)
    contradiction(document, "vision_config.num_position_embeddings", "a square number",
                  std::to_string(n.positions));
  return n;
}

inline void read_rope(const Json& config, TextSizes& n, const std::string& document) {
  const Json* scaling = first_of(config, {"rope_scaling", "rope_parameters"});
  const Json& rope = scaling ? *scaling : config;
  const Json* theta = first_of(rope, {"rope_theta"});
  const Json& base = theta ? *theta : config.at("rope_theta");
  n.rope_theta = base.number();
  if (!(n.rope_theta > 0 && n.rope_theta < 1e30))
    contradiction(document, base.path(), "a positive number", std::to_string(n.rope_theta));
  const Json* kind = first_of(rope, {"rope_type", "type"});
  if (kind && kind->string() != "default" && kind->string() != "mrope")
    contradiction(document, kind->path(), "\"default\" (other kinds are not supported)",
                  '"' + kind->string() + '"');
  if (const Json* interleaved = first_of(rope, {"mrope_interleaved"}))
    n.rope_interleaved = interleaved->boolean();
  const std::vector<Json>& section = rope.at("mrope_section").items();
  Index sum = 0;
  bool positive = true;
  for (std::size_t axis = 0; axis < section.size() && axis < 3; ++axis) {
    n.rope_section[axis] = section[axis].integer();
    positive = positive && n.rope_section[axis] >= 0 && n.rope_section[axis] <= n.head_dim;
    sum += positive ? n.rope_section[axis] : 0;
  }
  if (section.size() != 3 || !positive || sum != n.head_dim / 2)
    contradiction(document, rope.at("mrope_section").path(),
                  "three counts that sum to half of head_dim " + std::to_string(n.head_dim),
                  shape_text(n.rope_section) + " of " + std::to_string(section.size()));
}

inline TextSizes read_text(const Json& config, const std::string& document) {
  TextSizes n;
  n.vocabulary = size_at(config, {"vocab_size"});
  n.features = size_at(config, {"hidden_size"});
  n.layers = size_at(config, {"num_hidden_layers"});
  n.heads = size_at(config, {"num_attention_heads"});
  n.kv_heads = size_at(config, {"num_key_value_heads"});
  n.head_dim = size_at(config, {"head_dim"});
  n.norm_eps = static_cast<float>(config.at("rms_norm_eps").number());
  if (first_of(config, {"num_experts", "num_local_experts"})) {
    n.experts = size_at(config, {"num_experts", "num_local_experts"});
    n.chosen = size_at(config, {"num_experts_per_tok"});
    n.expert_intermediate = size_at(config, {"moe_intermediate_size"});
    if (n.chosen > n.experts)
      contradiction(document, "text_config.num_experts_per_tok",
                    "at most num_experts " + std::to_string(n.experts), std::to_string(n.chosen));
    const Json* dense_layers = first_of(config, {"mlp_only_layers"});
    if ((dense_layers && !dense_layers->items().empty()) || size_or(config, "decoder_sparse_step", 1) != 1)
      contradiction(document, "text_config.mlp_only_layers", "every layer sparse",
                    "a mix of dense and sparse layers");
  } else {
    n.intermediate = size_at(config, {"intermediate_size"});
  }
  if (n.head_dim % 8 != 0)
    contradiction(document, "text_config.head_dim", "a multiple of 8", std::to_string(n.head_dim));
  if (n.heads % n.kv_heads != 0)
    contradiction(document, "text_config.num_key_value_heads",
                  "a divisor of num_attention_heads " + std::to_string(n.heads), std::to_string(n.kv_heads));
  read_rope(config, n, document);
  return n;
}

// The document of a configuration, saying that its weights are of this format, wherever it said one before.
inline std::string with_dtype(const ModelConfig& config, DType dtype) {
  const Json name = dtype == DType::BF16 ? "bfloat16" : "float32";
  Json json = parse_json(config.text_of_file, "config.json");
  for (const char* part : {"text_config", "vision_config"}) {
    Json inner = json.at(part);
    for (const char* key : {"torch_dtype", "dtype"})
      if (inner.find(key)) inner.set(key, name);
    json.set(part, inner);
  }
  json.set("torch_dtype", name);
  if (json.find("dtype")) json.set("dtype", name);
  return write_json(json, 2) + "\n";
}

}  // namespace detail

inline ModelConfig ModelConfig::parse(std::string_view text, std::string_view document) {
  const Json json = parse_json(text, document);
  const std::string file(document);
  ModelConfig config;
  const Json& text_config = json.at("text_config");
  config.vision = detail::read_vision(json.at("vision_config"), file);
  config.text = detail::read_text(text_config, file);
  if (config.vision.out_features != config.text.features)
    detail::contradiction(file, "vision_config.out_hidden_size",
                          "text_config.hidden_size " + std::to_string(config.text.features),
                          std::to_string(config.vision.out_features));
  const auto token = [&](std::string_view name) {
    const std::int64_t id = json.at(name).integer();
    if (id < 0 || id >= config.text.vocabulary)
      detail::contradiction(file, name, "a token below vocab_size " + std::to_string(config.text.vocabulary),
                            std::to_string(id));
    return static_cast<std::int32_t>(id);
  };
  config.image_token = token("image_token_id");
  config.video_token = token("video_token_id");
  config.vision_start_token = token("vision_start_token_id");
  config.vision_end_token = token("vision_end_token_id");
  const Json* tied = detail::first_of(json, {"tie_word_embeddings"});
  if (!tied) tied = detail::first_of(text_config, {"tie_word_embeddings"});
  config.tied = tied && tied->boolean();
  const Json* dtype = detail::first_of(json, {"torch_dtype", "dtype"});
  if (!dtype) dtype = detail::first_of(text_config, {"torch_dtype", "dtype"});
  if (dtype) config.dtype = detail::read_dtype(*dtype);
  if (const Json* deviation = detail::first_of(text_config, {"initializer_range"}))
    config.initial_deviation = static_cast<float>(deviation->number());
  config.text_of_file = text;
  return config;
}

}  // namespace vlm
