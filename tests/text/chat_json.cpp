#include <boost/test/unit_test.hpp>

#include <vlm/io/json_definitions.hpp>
#include <vlm/text/chat_json.hpp>

#include <string>
#include <vector>

using vlm::ContentItem;
using vlm::Message;

namespace {

std::vector<Message> read(const std::string& text) {
  return vlm::messages_from_json(vlm::parse_json(text, "chat"));
}

std::string message_of(const std::string& text) {
  try {
    read(text);
  } catch (const vlm::Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_chat_json)

BOOST_AUTO_TEST_CASE(items) {
  const auto messages = read(
      R"([{"role": "user", "content": [{"type": "image", "image": "a.png"}, {"image_url": {"url": "b"}}, {"type": "image"},
          {"video": "c.mp4"}, {"type": "text", "text": "t"}, {"text": "u"}]}, {"role": "assistant", "content": ""}])");
  BOOST_TEST(messages.size() == 2u);
  const auto& parts = messages[0].content;
  BOOST_TEST(parts.size() == 6u);
  BOOST_TEST((parts[0].kind == ContentItem::Kind::Image));
  BOOST_TEST(parts[0].reference == "a.png");
  BOOST_TEST(parts[1].reference == "b");
  BOOST_TEST(parts[2].reference == "");
  BOOST_TEST((parts[3].kind == ContentItem::Kind::Video));
  BOOST_TEST(parts[3].reference == "c.mp4");
  BOOST_TEST(parts[4].text == "t");
  BOOST_TEST((parts[5].kind == ContentItem::Kind::Text));
  BOOST_TEST(messages[1].content.empty());
}

BOOST_AUTO_TEST_CASE(calls_and_thoughts) {
  const auto messages = read(
      R"([{"role": "assistant", "content": "c", "reasoning_content": "r", "tool_calls": [
          {"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}, {"name": "g", "arguments": "{}"}]},
          {"role": "assistant", "content": "c", "reasoning_content": null, "tool_calls": null}])");
  BOOST_TEST(messages[0].reasoning.value() == "r");
  BOOST_TEST(messages[0].tool_calls.size() == 2u);
  BOOST_TEST(messages[0].tool_calls[0].name == "f");
  BOOST_TEST(messages[0].tool_calls[0].arguments.at("x").integer() == 1);
  BOOST_TEST(messages[0].tool_calls[1].arguments.string() == "{}");
  BOOST_TEST(!messages[1].reasoning.has_value());
}

BOOST_AUTO_TEST_CASE(wrong_messages) {
  BOOST_TEST(message_of(R"([{"role": "user", "content": null}])") ==
             "vlm::DataError [chat-content]\n"
             "  file      chat\n"
             "  at        [0].content\n"
             "  expected  a string or an array of items\n"
             "  got       null\n"
             "  try       \"\" for a message without content");
  BOOST_TEST(message_of(R"([{"role": "user", "content": [{"type": "audio", "audio": "x"}]}])") ==
             "vlm::DataError [chat-content]\n"
             "  file      chat\n"
             "  at        [0].content[0]\n"
             "  expected  an item with text, an image or a video\n"
             "  got       {\"type\": \"audio\", \"audio\": \"x\"}\n"
             "  try       leave out what the model cannot read");
  for (const char* text :
       {R"({})", R"([1])", R"([{"content": ""}])", R"([{"role": "user"}])", R"([{"role": 1, "content": ""}])",
        R"([{"role": "user", "content": ["text"]}])", R"([{"role": "user", "content": [{"text": 1}]}])",
        R"([{"role": "assistant", "content": "", "tool_calls": [{"name": "f"}]}])",
        R"([{"role": "assistant", "content": "", "tool_calls": {}}])",
        R"([{"role": "assistant", "content": "", "reasoning_content": 1}])"})
    BOOST_TEST(message_of(text) != "no error", text);
}

BOOST_AUTO_TEST_SUITE_END()
