#include <boost/test/unit_test.hpp>

#include <vlm/io/json_definitions.hpp>
#include <vlm/text/tokenizer_trainer.hpp>

#include <random>
#include <set>
#include <string>
#include <vector>

using vlm::train_tokenizer;

namespace {

// The learned tokens in their order, separated by bars.
std::string learned(const vlm::Tokenizer& tokenizer) {
  std::string text;
  const std::size_t end = tokenizer.vocabulary_size() - tokenizer.added_tokens().size();
  for (std::size_t id = 256; id < end; ++id) text += tokenizer.bytes_of(static_cast<std::int32_t>(id)) + "|";
  return text;
}

vlm::TokenizerTraining plain(std::size_t vocabulary) {
  return {.vocabulary = vocabulary, .special_tokens = {}, .visible_tokens = {}};
}

std::string message_of(const vlm::TokenizerTraining& training) {
  try {
    train_tokenizer("", training);
  } catch (const vlm::ConfigError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_tokenizer_trainer)

BOOST_AUTO_TEST_CASE(the_most_frequent_pair_comes_first) {
  // By hand: "lo" and " l" 4 times each, l being the lower id; then " lo" and " low" 4, "er" and " lower" 2.
  BOOST_TEST(learned(train_tokenizer(" low low lower lower", plain(512))) == "lo| lo| low|er| lower|");
  BOOST_TEST(learned(train_tokenizer(" low low lower lower", plain(258))) == "lo| lo|");
  BOOST_TEST(learned(train_tokenizer("low", plain(512))) == "");
  BOOST_TEST(learned(train_tokenizer(
                 "low", {.special_tokens = {}, .visible_tokens = {}, .minimum_count = 1})) == "lo|low|");
}

BOOST_AUTO_TEST_CASE(ties_go_to_the_lower_ids) {
  BOOST_TEST(learned(train_tokenizer("cd\ncd\nab\nab", plain(257))) == "ab|");
  BOOST_TEST(learned(train_tokenizer("ab\nab\ncd\ncd", plain(257))) == "ab|");
}

BOOST_AUTO_TEST_CASE(overlapping_pairs_merge_from_the_left) {
  BOOST_TEST(learned(train_tokenizer("aaaa", plain(512))) == "aa|");
  BOOST_TEST(learned(train_tokenizer("aaaaaaaa", plain(512))) == "aa|aaaa|");
}

BOOST_AUTO_TEST_CASE(pieces_and_control_tokens_do_not_merge) {
  // No pair across digits, across words or inside control tokens; the texts are normalised first.
  BOOST_TEST(learned(train_tokenizer("77777777 77", plain(512))) == "");
  BOOST_TEST(learned(train_tokenizer("<|im_start|><|im_start|><think><think>", {})) == "");
  BOOST_TEST(learned(train_tokenizer("e\u0301 e\u0301", plain(257))) == "\u00E9|");
}

BOOST_AUTO_TEST_CASE(added_tokens_stand_after_the_base_vocabulary) {
  const vlm::Tokenizer tokenizer = train_tokenizer(" low low lower lower", {.vocabulary = 267});
  BOOST_TEST(tokenizer.vocabulary_size() == 267u);
  BOOST_TEST(learned(tokenizer) == "lo| lo|");
  const char* names[] = {"<|endoftext|>", "<|im_start|>",  "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
                         "<|image_pad|>", "<|video_pad|>", "<think>",    "</think>"};
  std::int32_t id = 258;
  for (const char* name : names) BOOST_TEST(tokenizer.id_of(name).value() == id++);
  BOOST_TEST(tokenizer.is_special(264));
  BOOST_TEST(!tokenizer.is_special(265));
}

// What was learned is what encoding does: each token's text encodes to that token, and no two are alike.
BOOST_AUTO_TEST_CASE(learned_merges_and_encoding_agree) {
  std::mt19937 random(2);
  std::string corpus;
  for (int i = 0; i < 3000; ++i) corpus += " aab\n"[random() % 5];
  const vlm::Tokenizer tokenizer = train_tokenizer(corpus, plain(400));
  const auto size = static_cast<std::int32_t>(tokenizer.vocabulary_size());
  BOOST_TEST(size > 300);
  std::set<std::string> seen;
  for (std::int32_t id = 0; id < size; ++id) BOOST_TEST(seen.insert(tokenizer.bytes_of(id)).second);
  for (std::int32_t id = 256; id < size; ++id)
    BOOST_TEST(tokenizer.encode(tokenizer.bytes_of(id)) == std::vector<std::int32_t>{id},
               boost::test_tools::per_element());
  const vlm::Tokenizer back = vlm::Tokenizer::from_json(tokenizer.to_json());
  BOOST_TEST(back.encode(corpus) == tokenizer.encode(corpus), boost::test_tools::per_element());
  BOOST_TEST(back.decode(back.encode(corpus)) == corpus);
}

BOOST_AUTO_TEST_CASE(training_shortens_text) {
  std::string corpus;
  for (int i = 0; i < 50; ++i) corpus += "The red circle is left of the blue square. ";
  const vlm::Tokenizer tokenizer = train_tokenizer(corpus, {.vocabulary = 320});
  BOOST_TEST(tokenizer.encode("The red square is left of the blue circle.").size() == 10u);
}

BOOST_AUTO_TEST_CASE(wrong_requests) {
  BOOST_TEST(message_of({.vocabulary = 264}) ==
             "vlm::ConfigError [tokenizer-vocabulary]\n"
             "  expected  at least 265 ids: 256 bytes and 9 added tokens\n"
             "  got       264"
             "\n  try       a larger vocabulary, or fewer added tokens");
  BOOST_TEST(message_of({.special_tokens = {"<a>", "<a>"}}) ==
             "vlm::ConfigError [tokenizer-added]\n"
             "  expected  added tokens of two bytes or more, each once\n"
             "  got       \"<a>\""
             "\n  try       leave out what is empty or stands twice");
  BOOST_TEST(message_of({.special_tokens = {""}}).find("got       \"\"") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
