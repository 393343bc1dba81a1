// A record of messages, as this library, OpenAI's interfaces and ms-swift write them:
//   {"messages": [{"role": "user", "content": [{"type": "image", "image": "cat.png"}, {"type": "text", "text": "?"}]},
//                 {"role": "assistant", "content": "A cat."}], "tools": [...]}
// A video is a file, or its frames: {"type": "video", "video": ["0.png", "1.png"], "sample_fps": 2}.
// Pictures are items of their messages; or the record lists them in `images` and `videos`, and <image> and <video> in
// the texts say where they stand.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/data/record_reader.hpp>
#include <vlm/io/json.hpp>
#include <vlm/text/chat_template.hpp>

namespace vlm::detail {

class MessagesReader : RecordReader {
 public:
  MessagesReader(const DataPlace& place, const RecordOptions& options)
      : RecordReader(place, options), options_(options) {}

  std::vector<Message> messages(const Json& line) {
    const std::vector<Json>& entries = list(line, "messages");
    refuse(line,
           {"audio", "audios", "objects", "chosen", "rejected", "rejected_response", "rejected_messages"});
    list_media(line, {"image", "images"}, ContentItem::Kind::Image);
    list_media(line, {"video", "videos"}, ContentItem::Kind::Video);
    if (!has_media() && !options_.images.empty() && !has_items(entries)) list_images(options_.images);
    std::vector<Message> result;
    result.reserve(entries.size());
    for (const Json& entry : entries) result.push_back(message(entry));
    check_markers();
    return result;
  }

  using RecordReader::tools;

 private:
  // Whether a message has pictures among its items.
  static bool has_items(const std::vector<Json>& entries) {
    return std::any_of(entries.begin(), entries.end(), [](const Json& entry) {
      const Json* content = entry.find("content");
      return content && content->is_array() &&
             std::any_of(content->items().begin(), content->items().end(),
                         [](const Json& part) { return !part.find("text"); });
    });
  }

  Message message(const Json& entry) {
    Message result{string(entry, "role"), {}};
    const std::string& role = result.role;
    if (role != "system" && role != "user" && role != "assistant" && role != "tool")
      fail(entry.at("role").path(), "system, user, assistant or tool", "\"" + role + "\"");
    refuse(entry, {"loss", "loss_scale", "weight"});
    const bool answers = role == "assistant";
    if (!answers) refuse(entry, {"tool_calls", "reasoning_content"});
    if (const Json* reasoning = present(entry, "reasoning_content")) result.reasoning = string(*reasoning);
    if (const Json* calls = present(entry, "tool_calls")) {
      if (!calls->is_array()) fail(calls->path(), "an array of calls", kind_and_value(*calls));
      for (const Json& call : calls->items()) result.tool_calls.push_back(tool_call(call, call.path()));
    }
    take_content(entry, result);
    return result;
  }

  void take_content(const Json& entry, Message& message) {
    const Json& content = member(entry, "content", "a string or an array of items");
    const bool pictures = message.role == "user" || message.role == "tool";
    if (content.is_string()) {
      take_text(content.string(), pictures, message);
    } else if (content.is_array()) {
      for (const Json& part : content.items()) take_item(part, pictures, message);
    } else if (!content.is_null() || message.tool_calls.empty()) {
      fail(content.path(), "a string or an array of items", kind_and_value(content));
    }
  }

  void take_text(const std::string& text, bool pictures, Message& message) {
    if (pictures && has_media())
      append_marked(message.content, text, false);
    else if (!text.empty())
      message.content.push_back(ContentItem::from_text(text));
  }

  void take_item(const Json& part, bool pictures, Message& message) {
    const std::string& type = string(part, "type");
    if (type == "text") return take_text(string(part, "text"), pictures, message);
    const bool is_video = type == "video" || type == "video_url";
    if (type != "image" && type != "image_url" && !is_video)
      fail(part.at("type").path(), "\"text\", \"image\", \"image_url\" or \"video\"", "\"" + type + "\"");
    const std::string kind = is_video ? "a video" : "an image";
    if (!pictures) fail(part.path(), "images and videos in messages of user and tool only", kind);
    if (has_media())
      fail(part.path(), "either items or a list beside the messages, with markers in the texts", "both");
    refuse(part, {"min_pixels", "max_pixels", "total_pixels", "resized_height", "resized_width", "fps",
                  "nframes", "video_start", "video_end"});
    if (const Json* frames = part.find("video"); type == "video" && frames && frames->is_array()) {
      message.content.push_back(video_of_frames(part, *frames));
      return;
    }
    refuse(part, {"sample_fps"});
    std::string place = type == "image" && present(part, "source") && !part.find("image")
                            ? source_of(part.at("source"))
                            : reference(url_of(part, type), kind);
    message.content.push_back(is_video ? ContentItem::video(std::move(place))
                                       : ContentItem::image(std::move(place)));
  }

  ContentItem video_of_frames(const Json& part, const Json& frames) const {
    if (frames.items().empty()) fail(frames.path(), "the paths of a video's frames", "an empty array");
    std::vector<std::string> places;
    for (const Json& frame : frames.items()) places.push_back(reference(frame, "a frame"));
    const Json& rate = member(part, "sample_fps", "the frames in a second of the video");
    if (!rate.is_number()) fail(rate.path(), "the frames in a second of the video", kind_and_value(rate));
    return ContentItem::video(std::move(places), rate.number());
  }

  // "cat.png" or {"url": "cat.png"}, under the name of the type; `detail` beside it has no meaning here.
  const Json& url_of(const Json& part, const std::string& type) const {
    const Json& value = member(part, type, "a string");
    return value.is_object() ? member(value, "url", "a string") : value;
  }

  // {"type": "base64", "media_type": "image/png", "data": "..."} or {"type": "url", "url": "..."}, as Anthropic's
  // interface has it.
  std::string source_of(const Json& source) const {
    if (source.is_object() && source.find("url")) return reference(source.at("url"), "an image");
    return "data:" + string(source, "media_type") + ";base64," + string(source, "data");
  }

  const RecordOptions& options_;
};

}  // namespace vlm::detail
