// The chat template of the Qwen3-VL Instruct models: messages -> text with control tokens, without tools.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>

namespace vlm {

struct ContentItem {
  enum class Kind : std::uint8_t { Text, Image, Video };
  Kind kind = Kind::Text;
  std::string text;       // of a text item
  std::string reference;  // of an image or video: where it is read from; empty for one at hand

  static ContentItem from_text(std::string text) { return {Kind::Text, std::move(text), {}}; }
  static ContentItem image(std::string reference = {}) { return {Kind::Image, {}, std::move(reference)}; }
  static ContentItem video(std::string reference = {}) { return {Kind::Video, {}, std::move(reference)}; }
};

struct Message {
  std::string role;  // system, user or assistant
  std::vector<ContentItem> content;
};

// A part of a rendered conversation. Supervised parts are what the model shall learn to write: an assistant's
// text and the <|im_end|> after it.
struct RenderedPiece {
  std::string text;
  bool supervised = false;
};

inline constexpr std::string_view image_placeholder = "<|vision_start|><|image_pad|><|vision_end|>";
inline constexpr std::string_view video_placeholder = "<|vision_start|><|video_pad|><|vision_end|>";

namespace detail {

enum class VisionItems : bool { Leave, Render };

inline std::string render_content(const Message& message, VisionItems vision) {
  std::string text;
  for (const ContentItem& item : message.content) {
    switch (item.kind) {
      case ContentItem::Kind::Text:
        text += item.text;
        break;
      case ContentItem::Kind::Image:
        if (vision == VisionItems::Render) text += image_placeholder;
        break;
      case ContentItem::Kind::Video:
        if (vision == VisionItems::Render) text += video_placeholder;
        break;
    }
  }
  return text;
}

inline void check_messages(std::span<const Message> messages) {
  if (messages.empty())
    throw DataError("chat-messages", {{"expected", "at least one message"}, {"got", "none"}});
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    if (role == "system" || role == "user" || role == "assistant") continue;
    throw DataError("chat-role", {{"at", "message " + std::to_string(i)},
                                  {"expected", "the role system, user or assistant"},
                                  {"got", "\"" + role + "\""}});
  }
}

}  // namespace detail

// The conversation in parts whose texts, put together, are what the published template renders. As there,
// only the first message can be a system message, later ones have no place; and only user messages show
// images and videos.
//
// Tokenize each part by itself: the ids are those that generation sees, the prompt's and then the answer's.
// They are also those of the whole text, unless an answer begins with white space that has a line break in
// it: there the whole text may have one token across the border of prompt and answer.
inline std::vector<RenderedPiece> render_instruct_pieces(std::span<const Message> messages,
                                                         bool add_generation_prompt) {
  detail::check_messages(messages);
  std::vector<RenderedPiece> pieces(1);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    const bool assistant = message.role == "assistant";
    if (message.role == "system" && i > 0) continue;
    pieces.back().text += "<|im_start|>" + message.role + "\n";
    if (assistant) pieces.push_back({"", true});
    const auto vision = message.role == "user" ? detail::VisionItems::Render : detail::VisionItems::Leave;
    pieces.back().text += detail::render_content(message, vision) + "<|im_end|>";
    if (assistant) pieces.emplace_back();
    pieces.back().text += "\n";
  }
  if (add_generation_prompt) pieces.back().text += "<|im_start|>assistant\n";
  return pieces;
}

inline std::string render_instruct(std::span<const Message> messages, bool add_generation_prompt) {
  std::string text;
  for (const RenderedPiece& piece : render_instruct_pieces(messages, add_generation_prompt))
    text += piece.text;
  return text;
}

}  // namespace vlm
