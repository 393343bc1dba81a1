// One record of a file as a conversation. What the library would have to ignore is an error, never skipped in silence.
// messages_record.hpp and turns_record.hpp say how records look.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <vlm/data/data_line.hpp>
#include <vlm/data/messages_record.hpp>
#include <vlm/data/record_reader.hpp>
#include <vlm/data/turns_record.hpp>
#include <vlm/io/json.hpp>
#include <vlm/text/chat_template.hpp>

namespace vlm {

struct Conversation {
  std::string id{};  // may be empty
  std::vector<Message> messages{};
  DataPlace place{};          // for errors
  std::vector<Json> tools{};  // descriptions of functions that the assistant may call
};

namespace detail {

inline std::string record_id(const Json& line, const DataPlace& place) {
  const Json* value = line.find("id");
  if (!value || value->is_null()) return {};
  if (value->is_integer()) return std::to_string(value->integer());
  if (!value->is_string()) throw_data_line(place, value->path(), "a string", kind_and_value(*value));
  return value->string();
}

}  // namespace detail

// DataError [data-line] names file, line and field. `line` is a parsed record of `file`.
inline Conversation parse_conversation(const Json& line, std::string_view file, Index line_number,
                                       const RecordOptions& options = {}) {
  Conversation result{{}, {}, {std::string(file), line_number}, {}};
  const auto read = [&](auto reader) {
    result.messages = reader.messages(line);
    result.tools = reader.tools(line);
  };
  const bool of_messages = options.format == RecordFormat::Messages ||
                           (options.format == RecordFormat::Recognised && !line.find("conversations"));
  if (of_messages)
    read(detail::MessagesReader(result.place, options));
  else
    read(detail::TurnsReader(result.place, options));
  result.id = detail::record_id(line, result.place);
  return result;
}

// The text of a message without its pictures.
inline std::string text_of(const Message& message) { return detail::text_items(message); }

// What stands after the last message of the user or of a tool: the answer that a prompt asks for. Empty when there is
// none.
inline std::string reference_answer(const Conversation& conversation) {
  const Message* answer = nullptr;
  for (const Message& message : conversation.messages) {
    if (message.role == "user" || message.role == "tool") answer = nullptr;
    if (message.role == "assistant") answer = &message;
  }
  return answer ? text_of(*answer) : std::string();
}

}  // namespace vlm
