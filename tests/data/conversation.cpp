#include <boost/test/unit_test.hpp>

#include <vlm/data/conversation.hpp>

#include <string>

#include "tiny.hpp"

using vlm::ContentItem;
using vlm::Conversation;

namespace {

Conversation read(std::string_view line) {
  return vlm::parse_conversation(vlm::parse_json(line, "/sets/pets/a.jsonl"), "/sets/pets/a.jsonl", 7);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(data_conversation)

BOOST_AUTO_TEST_CASE(items_and_plain_strings) {
  const Conversation read_back = read(R"({"id": "pet-1", "source": "zoo", "messages": [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "image", "image": "cat.ppm"},
                                 {"type": "image", "image": "/all/images.idx#3"},
                                 {"type": "text", "text": "What is it?"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "A "}, {"type": "text", "text": "cat."}]}]})");
  BOOST_TEST(read_back.id == "pet-1");
  BOOST_TEST(read_back.place.file == "/sets/pets/a.jsonl");
  BOOST_TEST(read_back.place.line == 7);
  BOOST_TEST_REQUIRE(read_back.messages.size() == 3u);
  BOOST_TEST(read_back.messages[0].role == "system");
  BOOST_TEST(vlm::text_of(read_back.messages[0]) == "Be brief.");
  const auto& question = read_back.messages[1].content;
  BOOST_TEST_REQUIRE(question.size() == 3u);
  BOOST_TEST((question[0].kind == ContentItem::Kind::Image));
  BOOST_TEST(question[0].reference == "/sets/pets/cat.ppm");
  BOOST_TEST(question[1].reference == "/all/images.idx#3");
  BOOST_TEST(question[2].text == "What is it?");
  BOOST_TEST(vlm::text_of(read_back.messages[2]) == "A cat.");
}

BOOST_AUTO_TEST_CASE(relative_images_of_a_file_without_a_folder) {
  const auto json = vlm::parse_json(
      R"({"messages": [{"role": "user", "content": [{"type": "image", "image": "cat.ppm"}]}]})", "a.jsonl");
  BOOST_TEST(vlm::parse_conversation(json, "a.jsonl", 1).messages[0].content[0].reference == "cat.ppm");
}

BOOST_AUTO_TEST_CASE(a_record_is_read_in_the_format_that_is_given) {
  const auto line = vlm::parse_json(
      R"({"conversations": [{"from": "human", "value": " Hi "}], "messages": [{"role": "user", "content": "Ho"}]})",
      "a.jsonl");
  const auto text = [&line](vlm::RecordFormat format) {
    return vlm::text_of(vlm::parse_conversation(line, "a.jsonl", 1, {.format = format}).messages[0]);
  };
  BOOST_TEST(text(vlm::RecordFormat::Recognised) == "Hi");
  BOOST_TEST(text(vlm::RecordFormat::QwenFinetune) == "Hi");
  BOOST_TEST(text(vlm::RecordFormat::ShareGpt) == " Hi ");
  BOOST_TEST(text(vlm::RecordFormat::Messages) == "Ho");
}

BOOST_AUTO_TEST_CASE(ids_are_strings_or_numbers_or_absent) {
  const std::string rest = R"("messages": [{"role": "user", "content": ""}]})";
  BOOST_TEST(read("{\"id\": 12, " + rest).id == "12");
  BOOST_TEST(read("{\"id\": null, " + rest).id == "");
  BOOST_TEST(read("{" + rest).id == "");
}

BOOST_AUTO_TEST_CASE(the_reference_answer_follows_the_last_question) {
  const auto answer = [](std::string_view messages) {
    return vlm::reference_answer(read(R"({"messages": [)" + std::string(messages) + "]}"));
  };
  const std::string ask = R"({"role": "user", "content": "Q"})";
  const std::string reply = R"({"role": "assistant", "content": "A"})";
  BOOST_TEST(answer(ask + "," + reply) == "A");
  BOOST_TEST(answer(ask + "," + reply + "," + ask) == "");
  BOOST_TEST(answer(ask + "," + reply + "," + ask + "," + R"({"role": "assistant", "content": "B"})") == "B");
}

BOOST_AUTO_TEST_CASE(bad_lines) {
  struct Case {
    const char *line, *field, *expected, *got;
  };
  const Case cases[] = {
      {"[1]", "top level", "an object with messages", "an array"},
      {"{}", "messages", "an array of messages", "no member of this name"},
      {R"({"messages": {}})", "messages", "an array of messages", "an object"},
      {R"({"messages": []})", "messages", "an array of messages", "an empty array"},
      {R"({"messages": ["Hi"]})", "messages[0]", "an object with \"role\"", "a string: \"Hi\""},
      {R"({"messages": [{"content": "Hi"}]})", "messages[0].role", "a string", "no member of this name"},
      {R"({"messages": [{"role": 4, "content": "Hi"}]})", "messages[0].role", "a string", "an integer: 4"},
      {R"({"messages": [{"role": "robot", "content": "Hi"}]})", "messages[0].role",
       "system, user, assistant or tool", "\"robot\""},
      {R"({"messages": [{"role": "user"}]})", "messages[0].content", "a string or an array of items",
       "no member of this name"},
      {R"({"messages": [{"role": "user", "content": 4}]})", "messages[0].content",
       "a string or an array of items", "an integer: 4"},
      {R"({"messages": [{"role": "user", "content": ["Hi"]}]})", "messages[0].content[0]",
       "an object with \"type\"", "a string: \"Hi\""},
      {R"({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]})", "messages[0].content[0].type",
       "a string", "no member of this name"},
      {R"({"messages": [{"role": "user", "content": [{"type": "audio", "audio": "a.wav"}]}]})",
       "messages[0].content[0].type", "\"text\", \"image\", \"image_url\" or \"video\"", "\"audio\""},
      {R"({"messages": [{"role": "user", "content": [{"type": "text", "text": 4}]}]})",
       "messages[0].content[0].text", "a string", "an integer: 4"},
      {R"({"messages": [{"role": "user", "content": [{"type": "image", "image": null}]}]})",
       "messages[0].content[0].image", "a string", "null"},
      {R"({"messages": [{"role": "user", "content": [{"type": "image", "image": ""}]}]})",
       "messages[0].content[0].image", "the path of an image", "an empty string"},
      {R"({"messages": [{"role": "assistant", "content": [{"type": "image", "image": "a.ppm"}]}]})",
       "messages[0].content[0]", "images and videos in messages of user and tool only", "an image"},
      {R"({"messages": [{"role": "user", "content": [{"type": "video", "video": []}]}]})",
       "messages[0].content[0].video", "the paths of a video's frames", "an empty array"},
      {R"({"messages": [{"role": "user", "content": [{"type": "video", "video": ["a", 4]}]}]})",
       "messages[0].content[0].video[1]", "a string", "an integer: 4"},
      {R"({"messages": [{"role": "user", "content": [{"type": "video", "video": ["a", ""]}]}]})",
       "messages[0].content[0].video[1]", "the path of a frame", "an empty string"},
      {R"({"messages": [{"role": "user", "content": [{"type": "video", "video": ["a"]}]}]})",
       "messages[0].content[0].sample_fps", "the frames in a second of the video", "no member of this name"},
      {R"({"messages": [{"role": "user", "content": [{"type": "video", "video": ["a"], "sample_fps": "2"}]}]})",
       "messages[0].content[0].sample_fps", "the frames in a second of the video", "a string: \"2\""},
      {R"({"messages": [{"role": "user", "content": ""}], "audios": ["a.wav"]})", "audios",
       "no such member: this reader has no use for it", "an array"},
      {R"({"messages": [{"role": "user", "content": "", "tool_calls": []}]})", "messages[0].tool_calls",
       "no such member: this reader has no use for it", "an array"},
      {R"({"id": [], "messages": [{"role": "user", "content": ""}]})", "id", "a string", "an array"},
  };
  for (const Case& wrong : cases) {
    std::string expected =
        "vlm::DataError [data-line]\n  file      /sets/pets/a.jsonl\n  line      7\n  field     ";
    expected.append(wrong.field).append("\n  expected  ").append(wrong.expected);
    expected.append("\n  got       ").append(wrong.got).append("\n  try       correct this line");
    BOOST_TEST(message_of([&] { read(wrong.line); }) == expected);
  }
}

BOOST_AUTO_TEST_SUITE_END()
