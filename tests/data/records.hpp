// What the tests of the readers of records share.
#pragma once

#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>

#include <vlm/data/conversation.hpp>
#include <vlm/io/json.hpp>

#include "tiny.hpp"

namespace vlm::tests {

inline Conversation read_record(std::string_view line, const RecordOptions& options = {}) {
  return parse_conversation(parse_json(line, "/sets/a.jsonl"), "/sets/a.jsonl", 7, options);
}

// "role: text[picture]name(arguments)" for each message.
inline std::string written(const Conversation& conversation) {
  std::string text;
  for (const Message& message : conversation.messages) {
    text += message.role + ": ";
    for (const ContentItem& item : message.content)
      text += item.kind == ContentItem::Kind::Text ? item.text : "[" + item.reference + "]";
    for (const ToolCall& call : message.tool_calls)
      text += call.name + "(" + write_json(call.arguments, -1) + ")";
    text += "\n";
  }
  return text;
}

// An expectation or finding that ends the text in a longer message may be given by its beginning.
inline void refused_record(const std::string& line, const std::string& field, const std::string& expected,
                           const std::string& got) {
  const std::string message = message_of([&] { read_record(line); });
  BOOST_TEST(message.starts_with(
                 "vlm::DataError [data-line]\n  file      /sets/a.jsonl\n  line      7\n  field     " +
                 field + "\n  expected  " + expected),
             message);
  BOOST_TEST(message.find("\n  got       " + got) != std::string::npos, message);
}

}  // namespace vlm::tests
