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

#include <vlm/data/conversation.hpp>
#include <vlm/data/image_files.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>
#include <vlm/model/batch.hpp>
#include <vlm/model/config.hpp>
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

inline void check_size(std::string_view field, Index expected, Index got,
                       std::string_view file = "preprocessor_config.json") {
  if (expected == got) return;
  throw ConfigError("processor-image",
                    {{"field", std::string(field) + " of " + std::string(file)},
                     {"expected", std::to_string(expected) + ", as in vision_config of config.json"},
                     {"got", std::to_string(got)},
                     {"try", "take config.json and " + std::string(file) + " from one place"}});
}

}  // namespace detail

// Many threads may use one object.
class Processor {
 public:
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
  static Processor load(const std::string& folder) {
    const ImageSettings images = ImageSettings::load(folder);
    return Processor(Tokenizer::load(folder), images, ModelConfig::load(folder),
                     VideoSettings::load(folder, images), variant_of(folder));
  }

  const Tokenizer& tokenizer() const { return tokenizer_; }
  const ImageSettings& image_settings() const { return image_settings_; }
  const VideoSettings& video_settings() const { return video_settings_; }
  const ModelConfig& config() const { return config_; }
  ChatVariant variant() const { return variant_; }

  // The whole conversation; supervised are the assistant's texts with calls of tools and the <|im_end|> after each. Of
  // Thinking, thoughts and what closes them too, but not the <think> that opens them: the prompt has it.
  Sample training_sample(const Conversation& conversation) const {
    const auto is_answer = [](const Message& message) { return message.role == "assistant"; };
    if (std::none_of(conversation.messages.begin(), conversation.messages.end(), is_answer))
      detail::throw_data_line(conversation.place, "messages", "an assistant's message to learn", "none");
    return make_sample(conversation, conversation.messages.size(), false);
  }

  // Everything up to the last message of the user or of a tool, and the opening of the answer; nothing is supervised.
  Sample prompt(const Conversation& conversation) const {
    std::size_t count = conversation.messages.size();
    const auto asks = [](const Message& message) { return message.role == "user" || message.role == "tool"; };
    while (count > 0 && !asks(conversation.messages[count - 1])) --count;
    if (count == 0)
      detail::throw_data_line(conversation.place, "messages", "a user's message to answer", "none");
    Sample sample = make_sample(conversation, count, true);
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
    detail::check_size("patch_size", config_.vision.patch_size, image_settings_.patch_size);
    detail::check_size("temporal_patch_size", config_.vision.temporal_patch_size,
                       image_settings_.temporal_patch_size);
    detail::check_size("merge_size", config_.vision.merge_size, image_settings_.merge_size);
    const char* videos = "video_preprocessor_config.json";
    detail::check_size("patch_size", config_.vision.patch_size, video_settings_.patches.patch_size, videos);
    detail::check_size("temporal_patch_size", config_.vision.temporal_patch_size,
                       video_settings_.patches.temporal_patch_size, videos);
    detail::check_size("merge_size", config_.vision.merge_size, video_settings_.patches.merge_size, videos);
    detail::check_size("channels (always RGB)", config_.vision.channels, 3);
  }

  // The first `count` messages.
  Sample make_sample(const Conversation& conversation, std::size_t count, bool open_answer) const {
    check_texts(conversation, count);
    Sample sample;
    std::vector<std::string> clips;  // the text of each video
    for (std::size_t m = 0; m < count; ++m)
      for (std::size_t i = 0; i < conversation.messages[m].content.size(); ++i)
        take_item(conversation, m, i, sample, clips);
    const std::span messages(conversation.messages.data(), count);
    std::size_t image = 0, video = 0;
    const ChatOptions options{
        .add_generation_prompt = open_answer, .add_vision_id = false, .tools = conversation.tools};
    for (const RenderedPiece& piece : rendered(conversation.place, messages, options))
      for (const std::int32_t token :
           tokenizer_.encode(with_clips(conversation.place, piece.text, clips, video))) {
        const bool visual = token == config_.image_token;
        if (visual && image == sample.images.size()) throw_control_token(conversation.place);
        const Index copies =
            visual ? sample.images[image++].visual_tokens(image_settings_.merge_size) : Index{1};
        sample.tokens.insert(sample.tokens.end(), static_cast<std::size_t>(copies), token);
        sample.supervised.insert(sample.supervised.end(), static_cast<std::size_t>(copies),
                                 static_cast<std::uint8_t>(piece.supervised));
      }
    const auto check_all_shown = [&](const char* kind, std::size_t all, std::size_t shown) {
      if (shown != all)
        detail::throw_data_line(
            conversation.place, "messages", std::string(kind) + " in messages of user and tool only",
            std::to_string(all) + " " + kind + ", " + std::to_string(shown) + " in the text");
    };
    check_all_shown("images", sample.images.size(), image);
    check_all_shown("videos", clips.size(), video);
    return sample;
  }

  std::vector<RenderedPiece> rendered(const DataPlace& place, std::span<const Message> messages,
                                      const ChatOptions& options) const {
    try {
      return render_chat_pieces(variant_, messages, options);
    } catch (const Error& error) {  // a number that no template writes
      detail::throw_data_line(place, detail::field_of(error, "at"), detail::field_of(error, "expected"),
                              detail::field_of(error, "got"), detail::field_of(error, "try"));
    }
  }

  // What has no place in the template, and control tokens outside the items of messages.
  void check_texts(const Conversation& conversation, std::size_t count) const {
    for (const Json& tool : conversation.tools) check_text(conversation.place, "tools", write_json(tool));
    for (std::size_t m = 0; m < count; ++m) {
      const Message& message = conversation.messages[m];
      const std::string field = "messages[" + std::to_string(m) + "]";
      if (variant_ == ChatVariant::Instruct && m > 0 && message.role == "system")
        detail::throw_data_line(conversation.place, field + ".role", "a system message only as the first",
                                "\"system\"");
      if (message.reasoning) check_text(conversation.place, field + ".reasoning_content", *message.reasoning);
      for (const ToolCall& call : message.tool_calls)
        check_text(conversation.place, field + ".tool_calls", call.name + "\n" + write_json(call.arguments));
    }
  }
  static void check_text(const DataPlace& place, const std::string& field, std::string_view text) {
    for (const std::string_view token : detail::control_tokens)
      if (text.find(token) != text.npos)
        detail::throw_data_line(place, field, "text that spells no control token", std::string(token));
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
    const std::string field =
        "messages[" + std::to_string(message) + "].content[" + std::to_string(index) + "]";
    const std::string* reading = &item.reference;
    try {
      if (item.kind == ContentItem::Kind::Image) return take_image(item, sample);
      if (item.kind == ContentItem::Kind::Video) return take_video(item, sample, clips, reading);
    } catch (const Error& error) {
      detail::throw_data_line(conversation.place, field, detail::field_of(error, "expected"),
                              ImageFiles::shown(*reading) + ": " + detail::field_of(error, "got"),
                              detail::field_of(error, "try"));
    }
    check_text(conversation.place, field, item.text);
  }

  void take_image(const ContentItem& item, Sample& sample) const {
    const PatchedImage image = files_->patches(item.reference, image_settings_);
    sample.images.push_back(image.grid);
    sample.image_patches.insert(sample.image_patches.end(), image.rows.begin(), image.rows.end());
  }

  // `reading` follows what is read, for errors.
  void take_video(const ContentItem& item, Sample& sample, std::vector<std::string>& clips,
                  const std::string*& reading) const {
    const PatchedVideo video = item.frames.empty() ? files_->patches(item.reference, video_settings_)
                                                   : patched_frames(item, reading);
    sample.videos.push_back(video.grid);
    sample.video_patches.insert(sample.video_patches.end(), video.rows.begin(), video.rows.end());
    clips.push_back(video_text(video.times, video.step_tokens(video_settings_.patches.merge_size),
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
  std::unique_ptr<ImageFiles> files_;
};

}  // namespace vlm
