// A tiny model with a trained tokenizer, for chats.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/infer/chat.hpp>

#include "data/tiny.hpp"

namespace vlm::tests {

using TinySpec = Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<0>>, Decoder<Qwen3, Dense>, Rope<InterleavedM>>;
using TinyNet = Model<TinySpec, Cpu>;

inline ModelConfig tiny_config() {
  ModelConfig config = ModelConfig::parse(tiny_config_text(tiny_tokenizer()), "config.json");
  config.initial_deviation = 0.3f;
  return config;
}
inline TinyNet tiny_net(std::uint64_t seed = 1) { return TinyNet::make(tiny_config(), seed); }

inline std::shared_ptr<const ChatFiles> tiny_files(ChatVariant variant = ChatVariant::Instruct,
                                                   std::string_view generation = "{}") {
  return std::make_shared<const ChatFiles>(
      tiny_tokenizer(), ChatTemplate(variant), tiny_images(), VideoSettings::for_images(tiny_images()),
      GenerationConfig::from_json(parse_json(generation, "generation_config.json")), tiny_config());
}

// A picture with one value of red per pixel.
inline Image tiny_image(int first, Index height = 16, Index width = 24) {
  Image image(height, width);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(first + 5 * static_cast<int>(i));
  return image;
}

}  // namespace vlm::tests
