#include <boost/test/unit_test.hpp>

#include <vlm/io/json_definitions.hpp>
#include <vlm/text/chat_template.hpp>
#include <vlm/text/tokenizer_trainer.hpp>

#include <string>
#include <vector>

#include "message_of.hpp"

using vlm::ContentItem;
using vlm::Message;

namespace {

Message message(std::string role, std::vector<ContentItem> content) {
  return {std::move(role), std::move(content)};
}
Message message(std::string role, std::string text) {
  return message(std::move(role), std::vector<ContentItem>{ContentItem::from_text(std::move(text))});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_chat_template)

BOOST_AUTO_TEST_CASE(system_images_and_videos) {
  const std::vector<Message> chat = {
      message("system", "Be brief."),
      message("user", {ContentItem::image(), ContentItem::from_text("Hi"), ContentItem::video()})};
  BOOST_TEST(vlm::render_instruct(chat, true) ==
             "<|im_start|>system\nBe brief.<|im_end|>\n"
             "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Hi"
             "<|vision_start|><|video_pad|><|vision_end|><|im_end|>\n"
             "<|im_start|>assistant\n");
}

BOOST_AUTO_TEST_CASE(no_system_prompt_and_no_stripping) {
  const std::vector<Message> chat = {message("user", " A "),
                                     message("assistant", "<think>\nr\n</think>\n\nB "),
                                     message("user", std::vector<ContentItem>{})};
  BOOST_TEST(vlm::render_instruct(chat, false) ==
             "<|im_start|>user\n A <|im_end|>\n"
             "<|im_start|>assistant\n<think>\nr\n</think>\n\nB <|im_end|>\n"
             "<|im_start|>user\n<|im_end|>\n");
}

// What the published template leaves out: later system messages, and pictures outside user messages.
BOOST_AUTO_TEST_CASE(what_the_template_leaves_out) {
  const std::vector<Message> chat = {
      message("system", {ContentItem::image(), ContentItem::from_text("S")}), message("user", "A"),
      message("system", "dropped"),
      message("assistant", {ContentItem::video(), ContentItem::from_text("B")})};
  BOOST_TEST(
      vlm::render_instruct(chat, false) ==
      "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nA<|im_end|>\n<|im_start|>assistant\nB<|im_end|>\n");
}

BOOST_AUTO_TEST_CASE(answers_with_their_end_are_supervised_and_nothing_else) {
  const std::vector<Message> chat = {message("user", "A"), message("assistant", "B"), message("user", "C"),
                                     message("assistant", "D")};
  std::string marked;
  for (const vlm::RenderedPiece& piece : vlm::render_instruct_pieces(chat, false))
    marked += piece.supervised ? "{" + piece.text + "}" : piece.text;
  BOOST_TEST(marked ==
             "<|im_start|>user\nA<|im_end|>\n<|im_start|>assistant\n{B<|im_end|>}\n"
             "<|im_start|>user\nC<|im_end|>\n<|im_start|>assistant\n{D<|im_end|>}\n");
  for (const vlm::RenderedPiece& piece : vlm::render_instruct_pieces({chat.data(), 1}, true))
    BOOST_TEST(!piece.supervised);
}

// What is supervised begins where the generation prompt ends, and the parts are the whole text.
BOOST_AUTO_TEST_CASE(thoughts_are_supervised_with_their_answer) {
  std::vector<Message> chat = {message("user", "A"), message("assistant", "<think>\nold\n</think>\n\nB"),
                               message("user", "C"), message("assistant", "D")};
  chat[3].reasoning = "new\n";
  std::string marked, whole;
  for (const vlm::RenderedPiece& piece : vlm::render_chat_pieces(vlm::ChatVariant::Thinking, chat, {})) {
    marked += piece.supervised ? "{" + piece.text + "}" : piece.text;
    whole += piece.text;
  }
  BOOST_TEST(
      marked ==
      "<|im_start|>user\nA<|im_end|>\n<|im_start|>assistant\n{B<|im_end|>}\n"
      "<|im_start|>user\nC<|im_end|>\n<|im_start|>assistant\n<think>\n{new\n</think>\n\nD<|im_end|>}\n");
  BOOST_TEST(whole == vlm::render_chat(vlm::ChatVariant::Thinking, chat, {}));
  const std::string prompt =
      vlm::render_chat(vlm::ChatVariant::Thinking, {chat.data(), 3}, {.add_generation_prompt = true});
  BOOST_TEST(whole.starts_with(prompt));
}

BOOST_AUTO_TEST_CASE(numbers_that_json_texts_spell_in_several_ways) {
  const std::vector<Message> chat = {message("user", "A")};
  vlm::ChatOptions options;
  options.tools.push_back(vlm::parse_json(R"({"name": "f", "most": [1e30]})", "tools"));
  BOOST_TEST(message_of([&] { vlm::render_chat(vlm::ChatVariant::Instruct, chat, options); }) ==
             "vlm::DataError [chat-number]\n"
             "  file      tools\n"
             "  at        most[0]\n"
             "  expected  numbers within 64 bits\n"
             "  got       1e+30\n"
             "  try       the number as a string");
}

BOOST_AUTO_TEST_CASE(the_parts_give_the_ids_of_the_whole) {
  const auto tokenizer =
      vlm::train_tokenizer("assistant assistant\n\n user user\n\n \n\n \n\n  b  b", {.vocabulary = 300});
  const auto equal = [&](const std::string& answer) {
    const std::vector<Message> chat = {message("user", "A\n"), message("assistant", answer),
                                       message("user", "b")};
    std::vector<std::int32_t> ids;
    for (const vlm::RenderedPiece& piece : vlm::render_instruct_pieces(chat, true)) {
      const auto part = tokenizer.encode(piece.text);
      ids.insert(ids.end(), part.begin(), part.end());
    }
    return ids == tokenizer.encode(vlm::render_instruct(chat, true));
  };
  for (const char* answer :
       {"", "b", " b", "  b", "   ", "\tb", "'s", "7", "!\n", "\u0301", "<think>\n\n</think>", "b\n\n"})
    BOOST_TEST(equal(answer), "answer \"" << answer << "\"");
  BOOST_TEST(!equal("\nb"));  // the stated exception: "\n\n" is one token across the border
}

BOOST_AUTO_TEST_CASE(wrong_conversations) {
  BOOST_TEST(message_of([] { vlm::render_instruct({}, true); }) ==
             "vlm::DataError [chat-messages]\n"
             "  expected  at least one message\n"
             "  got       none"
             "\n  try       a message of the user");
  const std::vector<Message> chat = {message("user", "A"), message("developer", "42")};
  BOOST_TEST(message_of([&] { vlm::render_instruct(chat, true); }) ==
             "vlm::DataError [chat-role]\n"
             "  at        message 1\n"
             "  expected  the role system, user, assistant or tool\n"
             "  got       \"developer\""
             "\n  try       one of these roles for every message");
}

BOOST_AUTO_TEST_SUITE_END()
