// A conversation becomes a Sample: the chat template's text as tokens, each placeholder widened to the visual tokens of its
// image, or to the times and visual tokens of its video, and the patch rows of images and videos.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/span_of.hpp>
#include <vlm/data/conversation.hpp>
#include <vlm/data/image_files.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>
#include <vlm/model/batch.hpp>
#include <vlm/model/config.hpp>
#include <vlm/model/picture_settings.hpp>
#include <vlm/text/chat_folder.hpp>
#include <vlm/text/chat_template.hpp>
#include <vlm/text/tokenizer.hpp>
#include <vlm/vision/patches.hpp>
#include <vlm/vision/timestamps.hpp>
#include <vlm/vision/video_patches.hpp>
#include <vlm/vision/video_settings.hpp>

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

}  // namespace detail

// Many threads may use one object.
class Processor {
 public:
  // Memory of a thread for the samples that it makes one after the other.
  struct Memory {
    RenderedPieces pieces{};
    std::vector<std::int32_t> tokens{};
    std::vector<std::string> clips{};  // the text of each video
  };

  // ConfigError where they do not belong together.
  Processor(Tokenizer tokenizer, const ImageSettings& images, ModelConfig config)
      : Processor(std::move(tokenizer), images, std::move(config), VideoSettings::for_images(images)) {}
  Processor(Tokenizer tokenizer, const ImageSettings& images, ModelConfig config, const VideoSettings& videos,
            ChatVariant variant = ChatVariant::Instruct)
      : tokenizer_(std::move(tokenizer)),
        image_settings_(images),
        video_settings_(videos),
        config_(std::move(config)),
        variant_(variant),
        files_(std::make_unique<ImageFiles>()) {
    check();
  }

  // From the files of a model's folder: tokenizer, config.json, ImageSettings::load, VideoSettings::load, and the chat
  // template, which is Instruct's where there is none. ConfigError [processor-template] for a template of another model:
  // what it would have the model learn is not known.
  // `format`: what the template must be, or ConfigError [answer-format]. Of Thinking, conversations to learn from must
  // end with an answer that has thoughts then.
  static Processor load(const std::string& folder, std::optional<ChatVariant> format = std::nullopt) {
    const ImageSettings images = ImageSettings::load(folder);
    const ChatVariant variant = variant_of(folder);
    if (format && *format != variant) {
      const auto name = [](ChatVariant v) { return v == ChatVariant::Thinking ? "Thinking" : "Instruct"; };
      throw ConfigError(
          "answer-format",
          {{"folder", folder},
           {"expected", std::string("the chat template of the ") + name(*format) + " models"},
           {"got", std::string("that of ") + name(variant) +
                       (variant == ChatVariant::Instruct ? ", which a folder without one has too" : "")},
           {"try", "chat_template.jinja of such a model in this folder, or a stage of the other format"}});
    }
    Processor processor(Tokenizer::load(folder), images, ModelConfig::load(folder),
                        VideoSettings::load(folder, images), variant);
    processor.needs_thoughts_ = format == ChatVariant::Thinking;
    return processor;
  }

  const Tokenizer& tokenizer() const { return tokenizer_; }
  const ImageSettings& image_settings() const { return image_settings_; }
  const VideoSettings& video_settings() const { return video_settings_; }
  const ModelConfig& config() const { return config_; }
  ChatVariant variant() const { return variant_; }

  // The whole conversation; supervised are the assistant's texts with calls of tools and the <|im_end|> after each. Of
  // Thinking, thoughts and what closes them too, but not the <think> that opens them: the prompt has it.
  Sample training_sample(const Conversation& conversation) const {
    Sample sample;
    Memory memory;
    training_sample(conversation, sample, memory);
    return sample;
  }
  // The same into memory that was used before. Where that suffices, only these allocate: text that is not in NFC or has
  // words of more than 64 bytes, tools and their calls, videos, and images that are not in IDX files.
  void training_sample(const Conversation& conversation, Sample& sample, Memory& memory) const {
    const auto is_answer = [](const Message& message) { return message.role == "assistant"; };
    if (std::none_of(conversation.messages.begin(), conversation.messages.end(), is_answer))
      detail::throw_data_line(conversation.place, "messages", "an assistant's message to learn", "none");
    if (needs_thoughts_) check_thoughts(conversation);
    make_sample(conversation, conversation.messages.size(), false, sample, memory);
  }

  // Everything up to the last message of the user or of a tool, and the opening of the answer; nothing is supervised.
  Sample prompt(const Conversation& conversation) const {
    std::size_t count = conversation.messages.size();
    const auto asks = [](const Message& message) { return message.role == "user" || message.role == "tool"; };
    while (count > 0 && !asks(conversation.messages[count - 1])) --count;
    if (count == 0)
      detail::throw_data_line(conversation.place, "messages", "a user's message to answer", "none");
    Sample sample;
    Memory memory;
    make_sample(conversation, count, true, sample, memory);
    std::fill(sample.supervised.begin(), sample.supervised.end(), std::uint8_t{0});
    return sample;
  }

 private:
  static ChatVariant variant_of(const std::string& folder) {
    const std::optional<ChatTemplate> found = ChatTemplate::find(folder);
    if (!found) return ChatVariant::Instruct;
    if (const auto variant = found->variant()) return *variant;
    throw ConfigError("processor-template",
                      {{"file", folder},
                       {"expected", "the chat template of a Qwen3-VL model, Instruct or Thinking"},
                       {"got", "another template"},
                       {"try", "the template of the published model, or none"}});
  }

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
    check_picture_settings(config_.vision, image_settings_, video_settings_);
  }

  // The first `count` messages.
  void make_sample(const Conversation& conversation, std::size_t count, bool open_answer, Sample& sample,
                   Memory& memory) const {
    check_texts(conversation, count);
    sample.clear();
    memory.clips.clear();
    for (std::size_t m = 0; m < count; ++m)
      for (std::size_t i = 0; i < conversation.messages[m].content.size(); ++i)
        take_item(conversation, m, i, sample, memory.clips);
    const std::span messages(conversation.messages.data(), count);
    std::size_t image = 0, video = 0;
    const ChatOptions options{
        .add_generation_prompt = open_answer, .add_vision_id = false, .tools = conversation.tools};
    render(conversation.place, messages, options, memory.pieces);
    for (const RenderedPiece& piece : memory.pieces.view()) {
      memory.tokens.clear();
      if (piece.text.find("<|video_pad|>") == std::string::npos)
        tokenizer_.encode(piece.text, memory.tokens);
      else
        tokenizer_.encode(with_clips(conversation.place, piece.text, span_of(memory.clips), video),
                          memory.tokens);
      for (const std::int32_t token : memory.tokens) {
        const bool visual = token == config_.image_token;
        if (visual && image == sample.images.size()) throw_control_token(conversation.place);
        const Index copies =
            visual ? sample.images[image++].visual_tokens(image_settings_.merge_size) : Index{1};
        sample.tokens.insert(sample.tokens.end(), static_cast<std::size_t>(copies), token);
        sample.supervised.insert(sample.supervised.end(), static_cast<std::size_t>(copies),
                                 static_cast<std::uint8_t>(piece.supervised));
      }
    }
    const auto check_all_shown = [&](const char* kind, std::size_t all, std::size_t shown) {
      if (shown != all)
        detail::throw_data_line(
            conversation.place, "messages", std::string(kind) + " in messages of user and tool only",
            std::to_string(all) + " " + kind + ", " + std::to_string(shown) + " in the text");
    };
    check_all_shown("images", sample.images.size(), image);
    check_all_shown("videos", memory.clips.size(), video);
  }

  void render(const DataPlace& place, std::span<const Message> messages, const ChatOptions& options,
              RenderedPieces& pieces) const {
    try {
      render_chat_pieces(variant_, messages, options, pieces);
    } catch (const Error& error) {  // a number that no template writes
      detail::throw_data_line(place, detail::field_of(error, "at"), detail::field_of(error, "expected"),
                              detail::field_of(error, "got"), detail::field_of(error, "try"));
    }
  }

  static void check_thoughts(const Conversation& conversation) {
    const Message& last = conversation.messages.back();
    if (last.role == "assistant" && has_thoughts(last)) return;
    detail::throw_data_line(conversation.place,
                            "messages[" + std::to_string(conversation.messages.size() - 1) + "]",
                            "an answer with thoughts, in reasoning_content or between <think> and </think>",
                            last.role == "assistant" ? "an answer without" : "a message of the " + last.role,
                            "a stage of the non-thinking format for such conversations");
  }

  // What has no place in the template, and control tokens outside the items of messages.
  void check_texts(const Conversation& conversation, std::size_t count) const {
    for (const Json& tool : conversation.tools)
      check_text(conversation.place, write_json(tool), [] { return std::string("tools"); });
    for (std::size_t m = 0; m < count; ++m) {
      const Message& message = conversation.messages[m];
      const auto field = [m](const char* member) {
        return [m, member] { return "messages[" + std::to_string(m) + "]." + member; };
      };
      if (variant_ == ChatVariant::Instruct && m > 0 && message.role == "system")
        detail::throw_data_line(conversation.place, field("role")(), "a system message only as the first",
                                "\"system\"");
      if (message.reasoning) check_text(conversation.place, *message.reasoning, field("reasoning_content"));
      for (const ToolCall& call : message.tool_calls)
        check_text(conversation.place, call.name + "\n" + write_json(call.arguments), field("tool_calls"));
    }
  }
  // `field` gives the name for the error.
  template <class Field>
  static void check_text(const DataPlace& place, std::string_view text, Field&& field) {
    for (const std::string_view token : detail::control_tokens)
      if (text.find(token) != text.npos)
        detail::throw_data_line(place, field(), "text that spells no control token", std::string(token));
  }

  // Control tokens are refused item by item; items side by side could spell one too.
  [[noreturn]] static void throw_control_token(const DataPlace& place) {
    detail::throw_data_line(place, "messages", "text that spells no control token", "one across two items");
  }

  static std::string with_clips(const DataPlace& place, std::string_view text,
                                std::span<const std::string> clips, std::size_t& next) {
    try {
      return place_next_video_texts(text, clips, next);
    } catch (const DataError&) {  // more <|video_pad|> than the items have videos
      throw_control_token(place);
    }
  }

  // Checks a text, or reads an image or a video.
  void take_item(const Conversation& conversation, std::size_t message, std::size_t index, Sample& sample,
                 std::vector<std::string>& clips) const {
    const ContentItem& item = conversation.messages[message].content[index];
    const auto field = [message, index] {
      return "messages[" + std::to_string(message) + "].content[" + std::to_string(index) + "]";
    };
    const std::string* reading = &item.reference;
    try {
      if (item.kind == ContentItem::Kind::Image) return take_image(item, sample);
      if (item.kind == ContentItem::Kind::Video) return take_video(item, sample, clips, reading);
    } catch (const Error& error) {
      detail::throw_data_line(conversation.place, field(), detail::field_of(error, "expected"),
                              ImageFiles::shown(*reading) + ": " + detail::field_of(error, "got"),
                              detail::field_of(error, "try"));
    }
    check_text(conversation.place, item.text, field);
  }

  void take_image(const ContentItem& item, Sample& sample) const {
    sample.images.push_back(files_->append_patches(item.reference, image_settings_, sample.image_patches));
  }

  // `reading` follows what is read, for errors.
  void take_video(const ContentItem& item, Sample& sample, std::vector<std::string>& clips,
                  const std::string*& reading) const {
    const PatchedVideo video = item.frames.empty() ? files_->patches(item.reference, video_settings_)
                                                   : patched_frames(item, reading);
    sample.videos.push_back(video.grid);
    sample.video_patches.insert(sample.video_patches.end(), video.rows.begin(), video.rows.end());
    clips.push_back(video_text(span_of(video.times), video.step_tokens(video_settings_.patches.merge_size),
                               video_settings_.time_form));
  }

  // Frames that were sampled before are all taken.
  PatchedVideo patched_frames(const ContentItem& item, const std::string*& reading) const {
    std::vector<Image> frames;
    for (const std::string& frame : item.frames) {
      reading = &frame;
      frames.push_back(files_->load(frame));
    }
    VideoSettings settings = video_settings_;
    settings.sampling.rule = SampleNothing{};
    return patchify(Video::from_frames(std::move(frames), FrameClock::rate(item.frames_per_second)),
                    settings);
  }

  Tokenizer tokenizer_;
  ImageSettings image_settings_;
  VideoSettings video_settings_;
  ModelConfig config_;
  ChatVariant variant_;
  bool needs_thoughts_ = false;
  std::unique_ptr<ImageFiles> files_;
};

}  // namespace vlm
