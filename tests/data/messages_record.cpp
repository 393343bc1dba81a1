#include <boost/test/unit_test.hpp>

#include <vlm/data/messages_record.hpp>

#include <string>

#include <vlm/data/conversation.hpp>

#include "records.hpp"

using vlm::tests::read_record;
using vlm::tests::refused_record;
using vlm::tests::written;

namespace {

std::string user(const std::string& content) {
  return R"({"messages": [{"role": "user", "content": )" + content + "}]";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(data_messages_record)

BOOST_AUTO_TEST_CASE(pictures_in_every_spelling) {
  BOOST_TEST(
      written(read_record(user(R"([{"type": "image_url", "image_url": {"url": "a.png", "detail": "low"}},
      {"type": "image_url", "image_url": "data:image/png;base64,AAAA"}, {"type": "text", "text": "<image>"},
      {"type": "video", "video": "file:///v.mp4"}, {"type": "image", "image": {"url": "/b.png"}},
      {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "BBBB"}}])") +
                          "}")) ==
      "user: [/sets/a.png][data:image/png;base64,AAAA]<image>[/v.mp4][/b.png][data:image/gif;base64,BBBB]\n");
}

BOOST_AUTO_TEST_CASE(pictures_listed_beside_the_messages) {
  BOOST_TEST(written(read_record(user("\"<image>\\nAnd <video> <image>?\"") +
                                 R"(, "images": ["a.png", {"path": "b.png"}], "videos": ["v.mp4"]})")) ==
             "user: [/sets/a.png]\nAnd [/sets/v.mp4] [/sets/b.png]?\n");
  const vlm::RecordOptions given{.root = "/other", .images = {"x.tar/1.png"}};
  BOOST_TEST(written(read_record(user("\"<image>?\"") + "}", given)) == "user: [x.tar/1.png]?\n");
  BOOST_TEST(written(read_record(user(R"([{"type": "image", "image": "a.png"}])") + "}", given)) ==
             "user: [/other/a.png]\n");
}

BOOST_AUTO_TEST_CASE(tools_calls_results_and_thoughts) {
  const vlm::Conversation read = read_record(R"({"tools": [{"name": "zoom"}], "messages": [
      {"role": "user", "content": "Zoom."},
      {"role": "assistant", "content": null, "reasoning_content": "Well.", "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "zoom", "arguments": "{\"x\": 1}"}},
        {"name": "read", "arguments": {"y": [2]}}]},
      {"role": "tool", "tool_call_id": "1", "content": [{"type": "image", "image": "z.png"}]},
      {"role": "assistant", "content": "A cat."}]})");
  BOOST_TEST(written(read) ==
             "user: Zoom.\nassistant: zoom(\"{\\\"x\\\": 1}\")read({\"y\": [2]})\ntool: [/sets/z.png]\n"
             "assistant: A cat.\n");
  BOOST_TEST(read.messages[1].reasoning.value() == "Well.");
  BOOST_TEST(read.tools.size() == 1u);
}

BOOST_AUTO_TEST_CASE(bad_records) {
  const std::string none = "no such member: this reader has no use for it";
  const struct {
    std::string line, field, expected, got;
  } cases[] = {
      {user(R"([{"type": "image", "image": "https://a.org/b.png"}])") + "}", "messages[0].content[0].image",
       "the path of an image or a data: URL", "https://a.org/b.png\n  try       fetch it first"},
      {user(R"([{"type": "image", "image": "a.png", "max_pixels": 9}])") + "}",
       "messages[0].content[0].max_pixels", none, "an integer: 9"},
      {user(R"([{"type": "image", "image": "a.png"}])") + R"(, "images": ["b.png"]})",
       "messages[0].content[0]", "either items or a list beside the messages, with markers in the texts",
       "both"},
      {user("\"?\"") + R"(, "images": ["b.png"]})", "images", "as many images as markers <image>, 0", "1"},
      {user("\"?\"") + R"(, "tools": {}})", "tools", "an array of functions", "an object"},
      {user("\"?\"") + R"(, "tools": "["})", "tools", "JSON in a string: ", ""},
      {R"({"messages": [{"role": "assistant", "content": "", "tool_calls": [{"name": "a"}]}]})",
       "messages[0].tool_calls[0]", "a call: {\"name\": \"...\", \"arguments\": {...}}", "{\"name\": \"a\"}"},
      {R"({"messages": [{"role": "assistant", "content": "", "loss": false}]})", "messages[0].loss", none,
       "false"},
      {R"({"messages": [{"role": "assistant", "content": null}]})", "messages[0].content",
       "a string or an array of items", "null"},
  };
  for (const auto& wrong : cases) refused_record(wrong.line, wrong.field, wrong.expected, wrong.got);
}

BOOST_AUTO_TEST_SUITE_END()
