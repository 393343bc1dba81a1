// A conversation in JSON, as chat templates take it, as messages:
//   [{"role": "user", "content": [{"type": "image", "image": "cat.png"}, {"type": "text", "text": "What is it?"}]},
//    {"role": "assistant", "content": "", "tool_calls": [{"name": "zoom", "arguments": {"x": 1}}]},
//    {"role": "tool", "content": "done"}]
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/io/json.hpp>
#include <vlm/text/chat_template.hpp>

namespace vlm {

namespace detail {

class ChatReader {
 public:
  static Message message(const Json& entry) {
    Message result{entry.at("role").string(), {}};
    const Json& content = entry.at("content");
    if (content.is_string()) {
      if (!content.string().empty()) result.content.push_back(ContentItem::from_text(content.string()));
    } else if (content.is_array()) {
      for (const Json& part : content.items()) result.content.push_back(item(part));
    } else {
      refuse(content, "a string or an array of items", std::string(content.kind_name()),
             "\"\" for a message without content");
    }
    if (const Json* calls = entry.find("tool_calls"); calls && !calls->is_null())
      for (const Json& call : calls->items()) result.tool_calls.push_back(tool_call(call));
    if (const Json* reasoning = entry.find("reasoning_content"); reasoning && !reasoning->is_null())
      result.reasoning = reasoning->string();
    return result;
  }

 private:
  [[noreturn]] static void refuse(const Json& where, std::string expected, std::string got,
                                  std::string advice) {
    throw DataError("chat-content", {{"file", where.document()},
                                     {"at", where.path()},
                                     {"expected", std::move(expected)},
                                     {"got", std::move(got)},
                                     {"try", std::move(advice)}});
  }

  // By its type or by its keys, as the templates tell them.
  static ContentItem item(const Json& part) {
    const Json* type = part.find("type");
    const auto is = [type](std::string_view wanted) {
      return type && type->is_string() && type->string() == wanted;
    };
    ContentItem result;
    const Json* text = part.find("text");
    if (text && !text->is_null()) result.text = text->string();
    if (is("image") || part.find("image") || part.find("image_url")) {
      result.kind = ContentItem::Kind::Image;
      result.reference = reference(part.find("image") ? part.find("image") : part.find("image_url"));
    } else if (is("video") || part.find("video")) {
      result.kind = ContentItem::Kind::Video;
      result.reference = reference(part.find("video"));
    } else if (!text || text->is_null()) {
      refuse(part, "an item with text, an image or a video", write_json(part, -1).substr(0, 200),
             "leave out what the model cannot read");
    }
    return result;
  }

  // "cat.png" or {"url": "cat.png"}; whatever else stands there has no place in a text.
  static std::string reference(const Json* value) {
    const Json* place = value && value->is_object() ? value->find("url") : value;
    return place && place->is_string() ? place->string() : std::string();
  }

  static ToolCall tool_call(const Json& entry) {
    const Json* function = entry.find("function");
    const Json& call = function && function->is_object() && !function->members().empty() ? *function : entry;
    return {call.at("name").string(), call.at("arguments")};
  }
};

}  // namespace detail

// ConfigError [json-type], [json-missing] or DataError [chat-content] name the place.
inline std::vector<Message> messages_from_json(const Json& list) {
  std::vector<Message> messages;
  for (const Json& entry : list.items()) messages.push_back(detail::ChatReader::message(entry));
  return messages;
}

}  // namespace vlm
