// The chat templates of the Qwen3-VL models, Instruct and Thinking, as rules: messages -> text with control tokens,
// with tools, tool calls and their results. chat_folder.hpp chooses the template that belongs to a model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/io/json.hpp>

namespace vlm {

struct ContentItem {
  enum class Kind : std::uint8_t { Text, Image, Video };
  Kind kind = Kind::Text;
  std::string text;       // of a text item
  std::string reference;  // of an image or video: where it is read from; empty for one at hand
  // Of a video that is given as images: one for each frame, sampled already, and how many there are in a second.
  std::vector<std::string> frames{};
  double frames_per_second = 0;

  static ContentItem from_text(std::string text) { return {Kind::Text, std::move(text), {}}; }
  static ContentItem image(std::string reference = {}) { return {Kind::Image, {}, std::move(reference)}; }
  static ContentItem video(std::string reference = {}) { return {Kind::Video, {}, std::move(reference)}; }
  static ContentItem video(std::vector<std::string> frames, double frames_per_second) {
    return {Kind::Video, {}, {}, std::move(frames), frames_per_second};
  }
};

// A function that the assistant calls. Arguments are an object, or a string that is put in as it is.
struct ToolCall {
  std::string name;
  Json arguments;
};

struct Message {
  std::string role;  // system, user, assistant or tool
  std::vector<ContentItem> content;
  std::vector<ToolCall> tool_calls{};      // of the assistant
  std::optional<std::string> reasoning{};  // of the assistant, where it stands apart from the content
};

// What the published templates differ in: Thinking opens every answer inside <think>, and drops the thoughts of turns
// before the last question.
enum class ChatVariant : std::uint8_t { Instruct, Thinking };

struct ChatOptions {
  bool add_generation_prompt = false;  // the opening of the assistant's turn at the end
  bool add_vision_id = false;          // "Picture 1: " before each image, "Video 1: " before each video
  std::vector<Json> tools{};           // descriptions of functions, shown to the model as they are
};

// A part of a rendered conversation. Supervised parts are what the model shall learn to write: an assistant's
// text and the <|im_end|> after it.
struct RenderedPiece {
  std::string text;
  bool supervised = false;
};

// The pieces of a conversation, in memory that is used again for the next one.
class RenderedPieces {
 public:
  std::span<const RenderedPiece> view() const { return {pieces_.data(), count_}; }
  RenderedPiece& back() { return pieces_[count_ - 1]; }
  void clear() { count_ = 0; }
  RenderedPiece& add(bool supervised) {
    if (count_ == pieces_.size()) pieces_.emplace_back();
    RenderedPiece& piece = pieces_[count_++];
    piece.text.clear();
    piece.supervised = supervised;
    return piece;
  }
  // For the content of the message at hand.
  std::string& content() { return content_; }

 private:
  std::vector<RenderedPiece> pieces_;
  std::size_t count_ = 0;
  std::string content_;
};

inline constexpr std::string_view image_placeholder = "<|vision_start|><|image_pad|><|vision_end|>";
inline constexpr std::string_view video_placeholder = "<|vision_start|><|video_pad|><|vision_end|>";

namespace detail {

inline void check_messages(std::span<const Message> messages) {
  if (messages.empty())
    throw DataError(
        "chat-messages",
        {{"expected", "at least one message"}, {"got", "none"}, {"try", "a message of the user"}});
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    if (role == "system" || role == "user" || role == "assistant" || role == "tool") continue;
    throw DataError("chat-role", {{"at", "message " + std::to_string(i)},
                                  {"expected", "the role system, user, assistant or tool"},
                                  {"got", "\"" + role + "\""},
                                  {"try", "one of these roles for every message"}});
  }
}

// The texts of all items.
inline std::string text_items(const Message& message) {
  std::string text;
  for (const ContentItem& item : message.content) text += item.text;
  return text;
}

inline std::string_view strip_left(std::string_view text, char c) {
  text.remove_prefix(std::min(text.find_first_not_of(c), text.size()));
  return text;
}
inline std::string_view strip_right(std::string_view text, char c) {
  text.remove_suffix(text.size() - (text.find_last_not_of(c) + 1));  // npos + 1 is zero
  return text;
}

// JSON as the templates write it. A number beyond 64 bits could have been written in several ways.
inline std::string template_json(const Json& value) {
  const auto refuse_huge = [](const auto& self, const Json& part) -> void {
    if (part.kind() == Json::Kind::Number && (part.number() >= 0x1p63 || part.number() < -0x1p63))
      throw DataError("chat-number", {{"file", part.document()},
                                      {"at", part.path()},
                                      {"expected", "numbers within 64 bits"},
                                      {"got", write_json(part)},
                                      {"try", "the number as a string"}});
    if (part.is_array())
      for (const Json& item : part.items()) self(self, item);
    if (part.is_object())
      for (const auto& member : part.members()) self(self, member.second);
  };
  refuse_huge(refuse_huge, value);
  return write_json(value, -1);
}

// The thoughts of an answer; what is left of `answer` when they stood in it.
inline std::string_view split_thoughts(const Message& message, std::string_view& answer) {
  constexpr std::string_view open = "<think>", close = "</think>";
  if (message.reasoning) return *message.reasoning;
  const std::size_t end = answer.find(close);
  if (end == answer.npos) return {};
  std::string_view thoughts = strip_right(answer.substr(0, end), '\n');
  if (const std::size_t begin = thoughts.rfind(open); begin != thoughts.npos)
    thoughts.remove_prefix(begin + open.size());
  answer = strip_left(answer.substr(answer.rfind(close) + close.size()), '\n');
  return strip_left(thoughts, '\n');
}

class ChatRenderer {
 public:
  ChatRenderer(ChatVariant variant, std::span<const Message> messages, const ChatOptions& options,
               RenderedPieces& pieces)
      : thinking_(variant == ChatVariant::Thinking),
        messages_(messages),
        options_(options),
        pieces_(pieces) {}

  void render() && {
    pieces_.clear();
    pieces_.add(false);
    check_messages(messages_);
    write_system();
    if (thinking_) last_question_ = find_last_question();
    for (std::size_t i = 0; i < messages_.size(); ++i) write_message(i);
    if (options_.add_generation_prompt) {
      open_turn("assistant");
      if (thinking_) text() += "<think>\n";
    }
  }

 private:
  // What becomes of images and videos: nothing, a placeholder, or a placeholder that counts for the numbers.
  enum class Vision : std::uint8_t { Leave, Show, Count };

  std::string& text() { return pieces_.back().text; }

  void open_turn(std::string_view role) { text().append("<|im_start|>").append(role).append("\n"); }
  void close_turn() { text() += "<|im_end|>\n"; }

  // Until the next call.
  std::string_view content_of(const Message& message, Vision vision) {
    std::string& result = pieces_.content();
    result.clear();
    for (const ContentItem& item : message.content) {
      if (item.kind == ContentItem::Kind::Text || vision == Vision::Leave) {
        result += item.text;
        continue;
      }
      const bool image = item.kind == ContentItem::Kind::Image;
      int& count = image ? images_ : videos_;
      count += vision == Vision::Count;
      if (options_.add_vision_id) result += (image ? "Picture " : "Video ") + std::to_string(count) + ": ";
      result += image ? image_placeholder : video_placeholder;
    }
    return result;
  }

  // The system message that opens the conversation, and the tools.
  void write_system() {
    const Message& first = messages_.front();
    const bool has_message = first.role == "system";
    if (!has_message && options_.tools.empty()) return;
    open_turn("system");
    if (has_message) text() += content_of(first, thinking_ ? Vision::Show : Vision::Leave);
    if (!options_.tools.empty()) {
      if (has_message) text() += "\n\n";
      text() +=
          "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
          "You are provided with function signatures within <tools></tools> XML tags:\n<tools>";
      for (const Json& tool : options_.tools) text() += "\n" + template_json(tool);
      text() +=
          "\n</tools>\n\nFor each function call, return a json object with function name and arguments "
          "within "
          "<tool_call></tool_call> XML tags:\n<tool_call>\n"
          "{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>";
    }
    close_turn();
  }

  // The last user message that is not the result of a tool in disguise; without one, the last message.
  std::size_t find_last_question() {
    for (std::size_t i = messages_.size(); i-- > 0;) {
      if (messages_[i].role != "user") continue;
      const std::string_view content = content_of(messages_[i], Vision::Show);
      if (!content.starts_with("<tool_response>") || !content.ends_with("</tool_response>")) return i;
    }
    return messages_.size() - 1;
  }

  void write_message(std::size_t index) {
    const Message& message = messages_[index];
    const bool shows = thinking_ || message.role == "user" || message.role == "tool";
    const std::string_view content = content_of(message, shows ? Vision::Count : Vision::Leave);
    if (message.role == "user" || (thinking_ && message.role == "system" && index > 0)) {
      open_turn(message.role);
      text() += content;
      close_turn();
    } else if (message.role == "assistant") {
      write_answer(index, content);
    } else if (message.role == "tool") {
      write_tool_result(index, content);
    }
  }

  void write_answer(std::size_t index, std::string_view content) {
    const Message& message = messages_[index];
    open_turn("assistant");
    bool has_content = !message.content.empty();
    std::string_view answer = content;
    if (thinking_) {
      const std::string_view thoughts = split_thoughts(message, answer);
      has_content = !answer.empty();
      if (index > last_question_ && (index + 1 == messages_.size() || !thoughts.empty())) {
        text() += "<think>\n";  // as the generation prompt has it
        pieces_.add(true).text += strip_left(strip_right(thoughts, '\n'), '\n');
        text() += "\n</think>\n\n";
        answer = strip_left(answer, '\n');
      }
    }
    if (!pieces_.back().supervised) pieces_.add(true);
    text() += answer;
    for (std::size_t i = 0; i < message.tool_calls.size(); ++i) {
      if (i > 0 || has_content) text() += '\n';
      write_call(message.tool_calls[i]);
    }
    text() += "<|im_end|>";
    pieces_.add(false).text = "\n";
  }

  void write_call(const ToolCall& call) {
    text() += "<tool_call>\n{\"name\": \"" + call.name + "\", \"arguments\": ";
    text() += call.arguments.is_string() ? call.arguments.string() : template_json(call.arguments);
    text() += "}\n</tool_call>";
  }

  // Results side by side share one turn of the user.
  void write_tool_result(std::size_t index, std::string_view content) {
    const auto is_tool = [this](std::size_t i) { return messages_[i].role == "tool"; };
    if (index == 0 || !is_tool(index - 1)) text() += "<|im_start|>user";
    text().append("\n<tool_response>\n").append(content).append("\n</tool_response>");
    if (index + 1 == messages_.size() || !is_tool(index + 1)) close_turn();
  }

  const bool thinking_;
  std::span<const Message> messages_;
  const ChatOptions& options_;
  RenderedPieces& pieces_;
  int images_ = 0, videos_ = 0;
  std::size_t last_question_ = 0;
};

}  // namespace detail

// The conversation in parts whose texts, put together, are what the published template renders. As there, Instruct
// has no place for system messages after the first, and shows images and videos only in messages of the user and
// results of tools. DataError [chat-messages], [chat-role], [chat-number].
//
// Tokenize each part by itself: the ids are those that generation sees, the prompt's and then the answer's.
// They are also those of the whole text, unless an answer begins with white space that has a line break in
// it: there the whole text may have one token across the border of prompt and answer.
inline void render_chat_pieces(ChatVariant variant, std::span<const Message> messages,
                               const ChatOptions& options, RenderedPieces& pieces) {
  detail::ChatRenderer(variant, messages, options, pieces).render();
}
inline std::vector<RenderedPiece> render_chat_pieces(ChatVariant variant, std::span<const Message> messages,
                                                     const ChatOptions& options) {
  RenderedPieces pieces;
  render_chat_pieces(variant, messages, options, pieces);
  return {pieces.view().begin(), pieces.view().end()};
}

// Whether an answer has thoughts other than white space, as the Thinking template finds them.
inline bool has_thoughts(const Message& message) {
  const std::string text = detail::text_items(message);
  std::string_view answer = text;
  return detail::split_thoughts(message, answer).find_first_not_of(" \t\r\n") != std::string_view::npos;
}

inline std::string render_chat(ChatVariant variant, std::span<const Message> messages,
                               const ChatOptions& options) {
  std::string text;
  for (const RenderedPiece& piece : render_chat_pieces(variant, messages, options)) text += piece.text;
  return text;
}

// Instruct without tools.
inline std::vector<RenderedPiece> render_instruct_pieces(std::span<const Message> messages,
                                                         bool add_generation_prompt) {
  return render_chat_pieces(ChatVariant::Instruct, messages,
                            {.add_generation_prompt = add_generation_prompt});
}

inline std::string render_instruct(std::span<const Message> messages, bool add_generation_prompt) {
  return render_chat(ChatVariant::Instruct, messages, {.add_generation_prompt = add_generation_prompt});
}

}  // namespace vlm
