// What the tests of data/ share: a folder of its own, a tiny tokenizer and model config, pictures, lines.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/data/processor.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>
#include <vlm/text/tokenizer_trainer.hpp>
#include <vlm/vision/image.hpp>
#if !VLM_COMPILED
#include <vlm/io/json_definitions.hpp>
#endif

#include "message_of.hpp"

namespace vlm::tests {

// A folder that goes away with the test.
struct Folder {
  Folder() {
    char pattern[] = "/tmp/vlm-data-XXXXXX";
    path = ::mkdtemp(pattern);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }
  std::string operator/(std::string_view name) const { return path + "/" + std::string(name); }
  std::string write(std::string_view name, std::string_view text) const {
    write_file_atomically(*this / name, text);
    return *this / name;
  }
  std::string path;
};

// A picture whose red value is `level` everywhere.
inline void write_picture(const Folder& folder, std::string_view name, Index height, Index width,
                          std::uint8_t level = 255) {
  Image image(height, width);
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) image.pixels[i] = level;
  write_ppm(folder / name, image);
}

// An IDX file of `count` grey images of 4 x 4; all pixels of image i are i.
inline std::string idx_of_images(int count) {
  std::string bytes("\0\0\x08\x03\0\0\0\0\0\0\0\4\0\0\0\4", 16);
  bytes[7] = static_cast<char>(count);
  for (int i = 0; i < count; ++i) bytes.append(16, static_cast<char>(i));
  return bytes;
}

inline Tokenizer tiny_tokenizer() { return train_tokenizer("What is it? A cat. A dog. What is that?"); }

// Patches of 4 pixels, images of 64 to 1024 pixels.
inline ImageSettings tiny_images() {
  ImageSettings settings;
  settings.patch_size = 4;
  settings.budget = {64, 1024};
  return settings;
}

inline std::string tiny_config_text(const Tokenizer& tokenizer) {
  const auto id = [&](std::string_view token) { return std::to_string(tokenizer.id_of(token).value()); };
  return R"({"image_token_id": )" + id("<|image_pad|>") + R"(, "video_token_id": )" + id("<|video_pad|>") +
         R"(, "vision_start_token_id": )" + id("<|vision_start|>") + R"(, "vision_end_token_id": )" +
         id("<|vision_end|>") + R"(,
  "text_config": {"vocab_size": )" +
         std::to_string(tokenizer.vocabulary_size() + 3) + R"(, "hidden_size": 32, "num_hidden_layers": 1,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 64,
    "rms_norm_eps": 1e-6, "rope_theta": 10000, "rope_scaling": {"mrope_section": [2, 1, 1]}},
  "vision_config": {"depth": 1, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "patch_size": 4,
    "temporal_patch_size": 2, "spatial_merge_size": 2, "num_position_embeddings": 16, "out_hidden_size": 32,
    "deepstack_visual_indexes": []}})";
}

inline Processor tiny_processor() {
  Tokenizer tokenizer = tiny_tokenizer();
  ModelConfig config = ModelConfig::parse(tiny_config_text(tokenizer), "config.json");
  return Processor(std::move(tokenizer), tiny_images(), std::move(config));
}

inline Json text_item(std::string_view text) { return Json::object({{"type", "text"}, {"text", text}}); }
inline Json image_item(std::string_view path) { return Json::object({{"type", "image"}, {"image", path}}); }
inline Json video_item(std::string_view path) { return Json::object({{"type", "video"}, {"video", path}}); }

// A line of a conversation file, with its line break.
inline std::string line_of(std::vector<Json> question, std::string_view answer) {
  const Json user = Json::object({{"role", "user"}, {"content", Json::array(std::move(question))}});
  const Json assistant = Json::object({{"role", "assistant"}, {"content", answer}});
  return write_json(Json::object({{"messages", Json::array({user, assistant})}})) + "\n";
}

}  // namespace vlm::tests
