// One line of a conversation file as messages:
//   {"id": "7", "messages": [{"role": "user", "content": [{"type": "image", "image": "cat.ppm"},
//                                                          {"type": "text", "text": "What is it?"}]},
//                            {"role": "assistant", "content": "A cat."}]}
// A video is a file, or its frames: {"type": "video", "video": ["0.png", "1.png"], "sample_fps": 2}.
// What the library would have to ignore is an error, never skipped in silence.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/data/data_line.hpp>
#include <vlm/io/json.hpp>
#include <vlm/text/chat_template.hpp>

namespace vlm {

struct Conversation {
  std::string id{};  // may be empty
  std::vector<Message> messages{};
  DataPlace place{};  // for errors
};

namespace detail {

class ConversationReader {
 public:
  explicit ConversationReader(const DataPlace& place) : place_(place) {}

  std::vector<Message> messages(const Json& line) const {
    if (!line.is_object()) fail("top level", "an object with messages", kind_and_value(line));
    refuse(line, {"images", "videos", "audios", "tools"});
    const Json& list = member(line, "messages", "an array of messages");
    if (!list.is_array() || list.items().empty())
      fail(list.path(), "an array of messages", list.is_array() ? "an empty array" : kind_and_value(list));
    std::vector<Message> result;
    for (const Json& entry : list.items()) result.push_back(message(entry, result.empty()));
    return result;
  }

  std::string id(const Json& line) const {
    const Json* value = line.find("id");
    if (!value || value->is_null()) return {};
    if (value->is_integer()) return std::to_string(value->integer());
    return string(*value);
  }

 private:
  [[noreturn]] void fail(std::string field, std::string expected, std::string got) const {
    throw_data_line(place_, std::move(field), std::move(expected), std::move(got));
  }

  const Json& member(const Json& object, std::string_view key, std::string_view wanted) const {
    if (!object.is_object())
      fail(object.path(), "an object with \"" + std::string(key) + "\"", kind_and_value(object));
    const Json* value = object.find(key);
    if (!value) fail(path_below(object.path(), key), std::string(wanted), "no member of this name");
    return *value;
  }
  const std::string& string(const Json& value) const {
    if (!value.is_string()) fail(value.path(), "a string", kind_and_value(value));
    return value.string();
  }
  const std::string& string(const Json& object, std::string_view key) const {
    return string(member(object, key, "a string"));
  }
  void refuse(const Json& object, std::initializer_list<std::string_view> keys) const {
    for (const std::string_view key : keys)
      if (const Json* value = object.find(key); value && !value->is_null())
        fail(value->path(), "no such member: this reader has no use for it", kind_and_value(*value));
  }

  Message message(const Json& entry, bool first) const {
    Message result{string(entry, "role"), {}};
    const std::string field = entry.at("role").path(), got = "\"" + result.role + "\"";
    if (result.role != "system" && result.role != "user" && result.role != "assistant")
      fail(field, "system, user or assistant", got);
    if (result.role == "system" && !first) fail(field, "a system message only as the first", got);
    refuse(entry, {"tool_calls", "reasoning_content"});
    const Json& content = member(entry, "content", "a string or an array of items");
    if (content.is_string()) {
      result.content.push_back(ContentItem::from_text(content.string()));
    } else if (content.is_array()) {
      for (const Json& part : content.items()) result.content.push_back(item(part, result.role == "user"));
    } else {
      fail(content.path(), "a string or an array of items", kind_and_value(content));
    }
    return result;
  }

  ContentItem item(const Json& part, bool pictures_allowed) const {
    const std::string& type = string(part, "type");
    if (type == "text") return ContentItem::from_text(string(part, "text"));
    const bool is_video = type == "video";
    if (type != "image" && !is_video)
      fail(part.at("type").path(), "\"text\", \"image\" or \"video\"", "\"" + type + "\"");
    const std::string kind = is_video ? "a video" : "an image";
    if (!pictures_allowed) fail(part.path(), "images and videos in user messages only", kind);
    if (const Json* frames = part.find("video"); is_video && frames && frames->is_array())
      return video_of_frames(part, *frames);
    const std::string& reference = string(part, type);
    if (reference.empty()) fail(part.at(type).path(), "the path of " + kind, "an empty string");
    return is_video ? ContentItem::video(reference_from(reference))
                    : ContentItem::image(reference_from(reference));
  }

  ContentItem video_of_frames(const Json& part, const Json& frames) const {
    if (frames.items().empty()) fail(frames.path(), "the paths of a video's frames", "an empty array");
    std::vector<std::string> references;
    for (const Json& frame : frames.items()) {
      if (string(frame).empty()) fail(frame.path(), "the path of a frame", "an empty string");
      references.push_back(reference_from(frame.string()));
    }
    const Json& rate = member(part, "sample_fps", "the frames in a second of the video");
    if (!rate.is_number()) fail(rate.path(), "the frames in a second of the video", kind_and_value(rate));
    return ContentItem::video(std::move(references), rate.number());
  }

  // Relative paths start at the folder of the conversation file.
  std::string reference_from(const std::string& reference) const {
    const std::size_t slash = place_.file.rfind('/');
    if (reference.front() == '/' || slash == std::string::npos) return reference;
    return place_.file.substr(0, slash + 1) + reference;
  }

  const DataPlace& place_;
};

}  // namespace detail

// DataError [data-line] names file, line and field. `line` is a parsed line of `file`.
inline Conversation parse_conversation(const Json& line, std::string_view file, Index line_number) {
  Conversation result{{}, {}, {std::string(file), line_number}};
  const detail::ConversationReader reader(result.place);
  result.messages = reader.messages(line);
  result.id = reader.id(line);
  return result;
}

// The text of a message without its pictures.
inline std::string text_of(const Message& message) { return detail::text_items(message); }

// What stands after the last user message: the answer that a prompt asks for. Empty when there is none.
inline std::string reference_answer(const Conversation& conversation) {
  const Message* answer = nullptr;
  for (const Message& message : conversation.messages) {
    if (message.role == "user") answer = nullptr;
    if (message.role == "assistant") answer = &message;
  }
  return answer ? text_of(*answer) : std::string();
}

}  // namespace vlm
