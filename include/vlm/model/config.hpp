// config.json as sizes, in the spellings of the released files and of later re-saves;
// contradictions are ConfigErrors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <vlm/core/dtype.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/folder.hpp>
#include <vlm/io/json.hpp>
#include <vlm/model/config_fields.hpp>

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
  std::string folder{};      // where it was read from, and the other files of the model stand

  static ModelConfig parse(std::string_view text, std::string_view document);
  // `path`: a folder, or the file itself.
  static ModelConfig load(const std::string& path) {
    const std::string file = is_folder(path) || !path.ends_with(".json") ? path + "/config.json" : path;
    ModelConfig config = parse(read_file(file), file);
    config.folder = file.substr(0, file.rfind('/') == file.npos ? 0 : file.rfind('/') + 1);
    if (config.folder.size() > 1) config.folder.pop_back();
    if (config.folder.empty()) config.folder = ".";
    return config;
  }
};

namespace detail {

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
  detail::read_sections(text_config, config.text, file);
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
  if (detail::first_of(text_config, {"initializer_range"}))
    config.initial_deviation = static_cast<float>(
        detail::number_at(text_config, "initializer_range", 0, 100, "a number from 0 to 100"));
  config.text_of_file = text;
  return config;
}

}  // namespace vlm
