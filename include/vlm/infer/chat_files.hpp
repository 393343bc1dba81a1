// ChatFiles: what a chat needs from a checkpoint's folder beside the model: tokenizer, chat template, settings of images
// and videos, sampling. And how conversations become prompts.
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

#include <vlm/core/error.hpp>
#include <vlm/core/span_of.hpp>
#include <vlm/infer/prompt.hpp>
#include <vlm/infer/reply_settings.hpp>
#include <vlm/io/file.hpp>
#include <vlm/model/config.hpp>
#include <vlm/model/picture_settings.hpp>
#include <vlm/text/chat_folder.hpp>
#include <vlm/text/chat_template.hpp>
#include <vlm/text/tokenizer.hpp>
#include <vlm/vision/load_image.hpp>
#include <vlm/vision/patches.hpp>
#include <vlm/vision/timestamps.hpp>
#include <vlm/vision/video_file.hpp>
#include <vlm/vision/video_patches.hpp>
#include <vlm/vision/video_settings.hpp>

namespace vlm {

// An image or a clip of a message, named or at hand.
struct ImageInput {
  std::string path;
  std::optional<Image> pixels{};
};
struct VideoInput {
  std::string path;
  std::optional<Video> frames{};
};
inline ImageInput image(std::string path) { return {std::move(path), {}}; }
inline ImageInput image(Image pixels) { return {{}, std::move(pixels)}; }
inline VideoInput video(std::string path) { return {std::move(path), {}}; }
inline VideoInput video(Video frames) { return {{}, std::move(frames)}; }

// A message and what belongs to it: its pictures in order, the texts of its clips, and the tokens of an answer's text.
struct ChatTurn {
  Message message;
  std::vector<Picture> images{}, videos{};
  std::vector<std::string> clips{};
  std::vector<std::int32_t> tokens{};
};

// Many threads may use one object.
class ChatFiles {
 public:
  // A folder without a chat template is taken as one of an Instruct model. Errors are those of the files.
  static std::shared_ptr<const ChatFiles> load(const std::string& folder, const ModelConfig& config) {
    const ImageSettings images = ImageSettings::load(folder);
    return std::make_shared<const ChatFiles>(
        Tokenizer::load(folder), ChatTemplate::find(folder).value_or(ChatTemplate(ChatVariant::Instruct)),
        images, VideoSettings::load(folder, images), GenerationConfig::load(folder), config);
  }
  // Throws ConfigError [chat-token], [picture-settings] where they do not belong together.
  ChatFiles(Tokenizer tokenizer, ChatTemplate chat_template, const ImageSettings& images,
            const VideoSettings& videos, GenerationConfig generation, ModelConfig config)
      : tokenizer_(std::move(tokenizer)),
        template_(std::move(chat_template)),
        images_(images),
        videos_(videos),
        generation_(std::move(generation)),
        config_(std::move(config)) {
    check_token("<|image_pad|>", config_.image_token, "image_token_id");
    check_token("<|video_pad|>", config_.video_token, "video_token_id");
    check_picture_settings(config_.vision, images_, videos_);
    variant_ = template_.variant() ? *template_.variant()
               : opens_thoughts()  ? ChatVariant::Thinking
                                   : ChatVariant::Instruct;
  }

  const Tokenizer& tokenizer() const { return tokenizer_; }
  const ModelConfig& config() const { return config_; }
  // Of another template than the published ones: Thinking where it opens answers with <think>.
  ChatVariant variant() const { return variant_; }
  bool thinking() const { return variant() == ChatVariant::Thinking; }
  ReplyDefaults defaults(bool pictures) const {
    return generation_.defaults(variant(), pictures, tokenizer_);
  }

  // A control token that a text spells; null where it spells none.
  const AddedToken* control_token_in(std::string_view text) const {
    for (const AddedToken& token : tokenizer_.added_tokens())
      if (controls(token) && text.find(token.text) != text.npos) return &token;
    return nullptr;
  }

  // Appends to a message. Text must not spell control tokens, nor together with the text before it: DataError
  // [chat-control-token].
  void append(ChatTurn& turn, std::string_view text) const {
    std::string joined(text);
    const std::vector<ContentItem>& items = turn.message.content;
    for (auto item = items.rbegin(); item != items.rend() && item->kind == ContentItem::Kind::Text; ++item)
      joined.insert(0, item->text);
    if (const AddedToken* token = control_token_in(joined))
      throw DataError("chat-control-token", {{"expected", "text that spells no control token"},
                                             {"got", token->text},
                                             {"try", "leave it out, or write it another way"}});
    turn.message.content.push_back(ContentItem::from_text(std::string(text)));
  }
  void append(ChatTurn& turn, const ImageInput& input) const {
    require_user(turn);
    PatchedImage patched = patches_of(input);
    turn.images.push_back(Picture::of(patched.grid, std::move(patched.rows)));
    turn.message.content.push_back(ContentItem::image(input.path));
  }
  void append(ChatTurn& turn, const VideoInput& input) const {
    require_user(turn);
    PatchedVideo patched = patchify(input.frames ? *input.frames : open_video(input.path), videos_);
    turn.clips.push_back(video_text(span_of(patched.times), patched.step_tokens(videos_.patches.merge_size),
                                    videos_.time_form));
    turn.videos.push_back(Picture::of(patched.grid, std::move(patched.rows)));
    turn.message.content.push_back(ContentItem::video(input.path));
  }
  template <class Input>
  void append(ChatTurn& turn, const std::vector<Input>& inputs) const {
    for (const Input& input : inputs) append(turn, input);
  }

  // The conversation, and the opening of the answer.
  Prompt prompt(std::span<const ChatTurn> turns) const {
    Prompt prompt;
    std::vector<std::string> clips;
    std::vector<Message> messages;
    for (const ChatTurn& turn : turns) {
      messages.push_back(turn.message);
      prompt.images.insert(prompt.images.end(), turn.images.begin(), turn.images.end());
      prompt.videos.insert(prompt.videos.end(), turn.videos.begin(), turn.videos.end());
      clips.insert(clips.end(), turn.clips.begin(), turn.clips.end());
    }
    std::size_t clip = 0, image = 0, answer = 0;
    for (const RenderedPiece& piece : render(span_of(messages))) {
      if (piece.supervised) {
        append_answer(turns, answer, piece.text, prompt);
        append_tokens(answer_end, prompt, image);
      } else {
        append_tokens(place_next_video_texts(piece.text, span_of(clips), clip), prompt, image);
      }
    }
    return prompt;
  }

 private:
  // Of a file without the image between; of one inside an IDX file as load_image gives it.
  PatchedImage patches_of(const ImageInput& input) const {
    if (input.pixels) return patchify(*input.pixels, images_);
    if (input.path.find('#') != input.path.npos) return patchify(load_image(input.path), images_);
    Queue<Cpu> queue(1);
    const MappedFile file(input.path);
    return patchify(*open_image(file.text(), input.path), images_, queue);
  }

  bool opens_thoughts() const {
    const Message question{"user", {ContentItem::from_text("?")}};
    try {
      const std::string text = render({&question, 1}).back().text;
      return text.ends_with("<think>\n") || text.ends_with("<think>");
    } catch (const Error&) {  // a template that wants more than a question
      return false;
    }
  }
  void check_token(std::string_view text, std::int32_t id, std::string_view field) const {
    const auto found = tokenizer_.id_of(text);
    if (found == id) return;
    throw ConfigError("chat-token", {{"field", std::string(field) + " of config.json"},
                                     {"expected", found ? "the tokenizer's id of " + std::string(text) +
                                                              ", " + std::to_string(*found)
                                                        : "a tokenizer with the token " + std::string(text)},
                                     {"got", std::to_string(id)},
                                     {"try", "take config.json and tokenizer.json from one place"}});
  }

  // By the rules of a published template, or else as one text by the interpreter.
  std::vector<RenderedPiece> render(std::span<const Message> messages) const {
    if (template_.variant())
      return render_chat_pieces(*template_.variant(), messages, {.add_generation_prompt = true});
    std::vector<Json> list;
    for (const Message& message : messages) {
      std::vector<Json> content;
      for (const ContentItem& item : message.content) {
        if (item.kind == ContentItem::Kind::Text)
          content.push_back(Json::object({{"type", "text"}, {"text", item.text}}));
        else
          content.push_back(
              Json::object({{"type", item.kind == ContentItem::Kind::Image ? "image" : "video"}}));
      }
      const bool plain = message.content.size() == 1 && message.content[0].kind == ContentItem::Kind::Text;
      list.push_back(Json::object(
          {{"role", message.role},
           {"content", plain ? Json(message.content[0].text) : Json::array(std::move(content))}}));
    }
    return {{template_.render(
                 Json::object({{"messages", Json::array(std::move(list))}, {"add_generation_prompt", true}})),
             false}};
  }

  // Whatever the tokenizer says of those that a conversation is built of.
  bool controls(const AddedToken& token) const {
    return token.special || token.id == config_.image_token || token.id == config_.video_token ||
           token.text == "<|im_start|>" || token.text == answer_end;
  }
  // Pictures are shown in messages of the user.
  static void require_user(const ChatTurn& turn) {
    if (turn.message.role != "assistant") return;
    throw DataError("chat-turn", {{"expected", "images and videos in messages of the user"},
                                  {"got", "one of the assistant"},
                                  {"try", "a message of the user before it"}});
  }

  static constexpr std::string_view answer_end = "<|im_end|>";

  // An answer, all but its end: its kept tokens, or those of its text. What that spells is no control token.
  void append_answer(std::span<const ChatTurn> turns, std::size_t& answer, std::string_view piece,
                     Prompt& prompt) const {
    piece.remove_suffix(answer_end.size());
    if (const std::vector<std::int32_t>* kept = answer_tokens(turns, answer, piece))
      return append_to(prompt.tokens, *kept);
    append_to(prompt.tokens,
              tokenizer_.encode_plain(piece, [this](const AddedToken& token) { return controls(token); }));
  }
  static void append_to(std::vector<std::int32_t>& tokens, const std::vector<std::int32_t>& more) {
    tokens.insert(tokens.end(), more.begin(), more.end());
  }

  // The kept tokens of the answer that a supervised piece is.
  static const std::vector<std::int32_t>* answer_tokens(std::span<const ChatTurn> turns, std::size_t& answer,
                                                        std::string_view piece) {
    while (answer < turns.size() && turns[answer].message.role != "assistant") ++answer;
    if (answer == turns.size()) return nullptr;
    const ChatTurn& turn = turns[answer++];
    return !turn.tokens.empty() && piece == turn.message.content.front().text ? &turn.tokens : nullptr;
  }

  // Each <|image_pad|> becomes as many as its image has visual tokens.
  void append_tokens(std::string_view text, Prompt& prompt, std::size_t& image) const {
    for (const std::int32_t token : tokenizer_.encode(text)) {
      Index copies = 1;
      if (token == config_.image_token) {
        if (image == prompt.images.size())
          throw DataError("chat-control-token", {{"expected", "text that spells no control token"},
                                                 {"got", "<|image_pad|> across two items"},
                                                 {"try", "leave the token out of the texts"}});
        copies = prompt.images[image++].grid.visual_tokens(config_.vision.merge_size);
      }
      prompt.tokens.insert(prompt.tokens.end(), static_cast<std::size_t>(copies), token);
    }
  }

  Tokenizer tokenizer_;
  ChatTemplate template_;
  ImageSettings images_;
  VideoSettings videos_;
  GenerationConfig generation_;
  ModelConfig config_;
  ChatVariant variant_ = ChatVariant::Instruct;
};

}  // namespace vlm
