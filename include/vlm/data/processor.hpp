// A conversation becomes a Sample: the chat template's text as tokens, each image placeholder widened to the
// visual tokens of its image, and the patch rows of the images.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/data/conversation.hpp>
#include <vlm/data/image_files.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>
#include <vlm/model/batch.hpp>
#include <vlm/model/config.hpp>
#include <vlm/text/chat_template.hpp>
#include <vlm/text/tokenizer.hpp>
#include <vlm/vision/patches.hpp>

namespace vlm {

namespace detail {

// Tokens that build the conversation; text must not spell them.
inline constexpr std::string_view control_tokens[] = {"<|im_start|>",   "<|im_end|>",    "<|vision_start|>",
                                                      "<|vision_end|>", "<|image_pad|>", "<|video_pad|>",
                                                      "<|endoftext|>",  "<|vision_pad|>"};

inline void check_token(const Tokenizer& tokenizer, std::string_view text, std::int32_t id,
                        std::string_view field) {
  const auto found = tokenizer.id_of(text);
  if (found == id) return;
  throw ConfigError(
      "processor-token",
      {{"field", std::string(field) + " of config.json"},
       {"expected", found ? "the tokenizer's id of " + std::string(text) + ", " + std::to_string(*found)
                          : "a tokenizer with the token " + std::string(text)},
       {"got", std::to_string(id)},
       {"try", "take config.json and tokenizer.json from one place"}});
}

inline void check_size(std::string_view field, Index expected, Index got) {
  if (expected == got) return;
  throw ConfigError("processor-image",
                    {{"field", std::string(field) + " of preprocessor_config.json"},
                     {"expected", std::to_string(expected) + ", as in vision_config of config.json"},
                     {"got", std::to_string(got)},
                     {"try", "take config.json and preprocessor_config.json from one place"}});
}

}  // namespace detail

// Many threads may use one object.
class Processor {
 public:
  // ConfigError where the three do not belong together.
  Processor(Tokenizer tokenizer, const ImageSettings& images, ModelConfig config)
      : tokenizer_(std::move(tokenizer)),
        image_settings_(images),
        config_(std::move(config)),
        files_(std::make_unique<ImageFiles>()) {
    check();
  }

  // From the files of a model's folder: tokenizer, config.json, and ImageSettings::load.
  static Processor load(const std::string& folder) {
    return Processor(Tokenizer::load(folder), ImageSettings::load(folder), ModelConfig::load(folder));
  }

  const Tokenizer& tokenizer() const { return tokenizer_; }
  const ImageSettings& image_settings() const { return image_settings_; }
  const ModelConfig& config() const { return config_; }

  // The whole conversation; supervised are the assistant's texts and the <|im_end|> after each.
  Sample training_sample(const Conversation& conversation) const {
    const auto is_answer = [](const Message& message) { return message.role == "assistant"; };
    if (std::none_of(conversation.messages.begin(), conversation.messages.end(), is_answer))
      detail::throw_data_line(conversation.place, "messages", "an assistant's message to learn", "none");
    return make_sample(conversation, conversation.messages.size(), false);
  }

  // Everything up to the last user message, and the opening of the answer; nothing is supervised.
  Sample prompt(const Conversation& conversation) const {
    std::size_t count = conversation.messages.size();
    while (count > 0 && conversation.messages[count - 1].role != "user") --count;
    if (count == 0)
      detail::throw_data_line(conversation.place, "messages", "a user's message to answer", "none");
    Sample sample = make_sample(conversation, count, true);
    std::fill(sample.supervised.begin(), sample.supervised.end(), std::uint8_t{0});
    return sample;
  }

 private:
  void check() const {
    detail::check_token(tokenizer_, "<|image_pad|>", config_.image_token, "image_token_id");
    detail::check_token(tokenizer_, "<|video_pad|>", config_.video_token, "video_token_id");
    detail::check_token(tokenizer_, "<|vision_start|>", config_.vision_start_token, "vision_start_token_id");
    detail::check_token(tokenizer_, "<|vision_end|>", config_.vision_end_token, "vision_end_token_id");
    if (const auto tokens = static_cast<Index>(tokenizer_.vocabulary_size());
        tokens > config_.text.vocabulary)
      throw ConfigError("processor-vocabulary",
                        {{"field", "text_config.vocab_size of config.json"},
                         {"expected", "at least the tokenizer's " + std::to_string(tokens) + " tokens"},
                         {"got", std::to_string(config_.text.vocabulary)},
                         {"try", "take config.json and tokenizer.json from one place"}});
    detail::check_size("patch_size", config_.vision.patch_size, image_settings_.patch_size);
    detail::check_size("temporal_patch_size", config_.vision.temporal_patch_size,
                       image_settings_.temporal_patch_size);
    detail::check_size("merge_size", config_.vision.merge_size, image_settings_.merge_size);
    detail::check_size("channels (always RGB)", config_.vision.channels, 3);
  }

  // The first `count` messages.
  Sample make_sample(const Conversation& conversation, std::size_t count, bool open_answer) const {
    Sample sample;
    for (std::size_t m = 0; m < count; ++m)
      for (std::size_t i = 0; i < conversation.messages[m].content.size(); ++i)
        take_item(conversation, m, i, sample);
    const std::span messages(conversation.messages.data(), count);
    std::size_t image = 0;
    for (const RenderedPiece& piece : render_instruct_pieces(messages, open_answer))
      for (const std::int32_t token : tokenizer_.encode(piece.text)) {
        const bool visual = token == config_.image_token;
        // Control tokens are refused item by item; items side by side could spell one too.
        if (token == config_.video_token || (visual && image == sample.images.size()))
          detail::throw_data_line(conversation.place, "messages", "text that spells no control token",
                                  "one across two items");
        const Index copies =
            visual ? sample.images[image++].visual_tokens(image_settings_.merge_size) : Index{1};
        sample.tokens.insert(sample.tokens.end(), static_cast<std::size_t>(copies), token);
        sample.supervised.insert(sample.supervised.end(), static_cast<std::size_t>(copies),
                                 static_cast<std::uint8_t>(piece.supervised));
      }
    if (image != sample.images.size())
      detail::throw_data_line(
          conversation.place, "messages", "images in user messages only",
          std::to_string(sample.images.size()) + " images, " + std::to_string(image) + " in the text");
    return sample;
  }

  // Checks a text, or reads an image.
  void take_item(const Conversation& conversation, std::size_t message, std::size_t index,
                 Sample& sample) const {
    const ContentItem& item = conversation.messages[message].content[index];
    const std::string field =
        "messages[" + std::to_string(message) + "].content[" + std::to_string(index) + "]";
    if (item.kind == ContentItem::Kind::Image) return take_image(conversation.place, field, item, sample);
    if (item.kind == ContentItem::Kind::Video)
      detail::throw_data_line(conversation.place, field, "text or an image", "a video");
    for (const std::string_view token : detail::control_tokens)
      if (item.text.find(token) != std::string::npos)
        detail::throw_data_line(conversation.place, field, "text that spells no control token",
                                std::string(token));
  }

  void take_image(const DataPlace& place, const std::string& field, const ContentItem& item,
                  Sample& sample) const {
    try {
      const PatchedImage image = files_->patches(item.reference, image_settings_);
      sample.images.push_back(image.grid);
      sample.image_patches.insert(sample.image_patches.end(), image.rows.begin(), image.rows.end());
    } catch (const Error& error) {
      detail::throw_data_line(place, field, detail::field_of(error, "expected"),
                              item.reference + ": " + detail::field_of(error, "got"),
                              detail::field_of(error, "try"));
    }
  }

  Tokenizer tokenizer_;
  ImageSettings image_settings_;
  ModelConfig config_;
  std::unique_ptr<ImageFiles> files_;
};

}  // namespace vlm
