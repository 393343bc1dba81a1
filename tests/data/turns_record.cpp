#include <boost/test/unit_test.hpp>

#include <vlm/data/turns_record.hpp>

#include <string>
#include <string_view>
#include <utility>

#include <vlm/data/conversation.hpp>

#include "records.hpp"

using vlm::tests::read_record;
using vlm::tests::refused_record;
using vlm::tests::written;

BOOST_AUTO_TEST_SUITE(data_turns_record)

BOOST_AUTO_TEST_CASE(qwen_finetune_leaves_out_white_space_around_texts) {
  BOOST_TEST(
      written(read_record(R"({"image": ["cat.png", "/all/dog.png"], "video": "v.mp4", "conversations": [
      {"from": "human", "value": "<image>\n What is it? <video>\n<image>"}, {"from": "gpt", "value": " A <image>.\n"}]})")) ==
      "user: [/sets/cat.png]What is it?[/sets/v.mp4][/all/dog.png]\nassistant:  A <image>.\n\n");
  BOOST_TEST(written(read_record(R"({"data_path": "more", "image": "cat.png", "conversations": [
      {"from": "human", "value": "<image>"}, {"from": "gpt", "value": ""}]})")) ==
             "user: [/sets/more/cat.png]\nassistant: \n");
}

BOOST_AUTO_TEST_CASE(sharegpt_keeps_texts_and_knows_tools) {
  const vlm::Conversation read = read_record(R"({"system": "Be brief.", "images": ["cat.png"],
      "tools": "[{\"name\": \"zoom\", \"parameters\": {}}]", "conversations": [
      {"from": "human", "value": "<image>\nZoom. "}, {"from": "function_call", "value": "{\"name\": \"zoom\", \"arguments\": {\"x\": 1}}"},
      {"from": "observation", "value": "done"}, {"from": "gpt", "value": "A cat."}]})");
  BOOST_TEST(written(read) ==
             "system: Be brief.\nuser: [/sets/cat.png]\nZoom. \nassistant: zoom({\"x\": 1})\ntool: done\n"
             "assistant: A cat.\n");
  BOOST_TEST_REQUIRE(read.tools.size() == 1u);
  BOOST_TEST(read.tools[0].at("name").string() == "zoom");
}

BOOST_AUTO_TEST_CASE(bad_records) {
  const std::string answer = R"(, {"from": "gpt", "value": "A cat."}]})";
  const struct {
    std::string line, field, expected, got;
  } cases[] = {
      {R"({"conversations": 3})", "conversations", "an array of turns", "an integer: 3"},
      {R"({"conversations": [{"from": "robot", "value": ""}]})", "conversations[0].from",
       "human, gpt, system, function_call or observation", "\"robot\""},
      {R"({"conversations": [{"from": "human"}]})", "conversations[0].value", "a string",
       "no member of this name"},
      {R"({"image": "a.png", "conversations": [{"from": "human", "value": "?"})" + answer, "image",
       "as many images as markers <image>, 0", "1"},
      {R"({"conversations": [{"from": "human", "value": "<video>"})" + answer, "videos",
       "as many videos as markers <video>, 1", "0"},
      {R"({"image": 4, "conversations": [{"from": "human", "value": "<image>"})" + answer, "image",
       "a string", "an integer: 4"},
      {R"({"image": "a", "images": ["b"], "conversations": [{"from": "human", "value": "<image>"})" + answer,
       "images", "one list of images", "two"},
      {R"({"chosen": {}, "conversations": [{"from": "human", "value": "?"})" + answer, "chosen",
       "no such member: this reader has no use for it", "an object"},
      {R"({"conversations": [{"from": "function_call", "value": "{"}]})", "conversations[0].value",
       "JSON in a string: ", ""},
      {R"({"conversations": [{"from": "function_call", "value": "{\"name\": 3}"}]})",
       "conversations[0].value", "a call: {\"name\": \"...\", \"arguments\": {...}}", "{\"name\": 3}"},
  };
  for (const auto& wrong : cases) refused_record(wrong.line, wrong.field, wrong.expected, wrong.got);
}

BOOST_AUTO_TEST_SUITE_END()
