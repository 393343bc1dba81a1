#include <vlm/infer/reply_settings.hpp>

#include <boost/test/unit_test.hpp>

#include "data/tiny.hpp"

using namespace vlm;

namespace {

const Tokenizer& tokenizer() {
  static const Tokenizer made = tests::tiny_tokenizer();
  return made;
}
ReplyDefaults defaults(std::string_view json, ChatVariant variant, bool pictures) {
  return GenerationConfig::from_json(parse_json(json, "generation_config.json"))
      .defaults(variant, pictures, tokenizer());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_reply_settings)

BOOST_AUTO_TEST_CASE(published_values_of_each_kind) {
  const ReplyDefaults vision = defaults("{}", ChatVariant::Instruct, true),
                      text = defaults("{}", ChatVariant::Instruct, false),
                      thinking = defaults("{}", ChatVariant::Thinking, true);
  BOOST_TEST(vision.sampling.temperature == 0.7f);
  BOOST_TEST(vision.sampling.top_p == 0.8f);
  BOOST_TEST(vision.sampling.top_k == 20);
  BOOST_TEST(vision.sampling.presence_penalty == 1.5f);
  BOOST_TEST(vision.max_tokens == 16384);
  BOOST_TEST(text.sampling.temperature == 1.0f);
  BOOST_TEST(text.sampling.top_k == 40);
  BOOST_TEST(text.sampling.presence_penalty == 2.0f);
  BOOST_TEST(text.max_tokens == 32768);
  BOOST_TEST(thinking.sampling.temperature == 1.0f);
  BOOST_TEST(thinking.sampling.top_p == 0.95f);
  BOOST_TEST(thinking.sampling.top_k == 20);
  BOOST_TEST(thinking.sampling.presence_penalty == 0.0f);
  BOOST_TEST(thinking.thinking_tokens == 40960);
  BOOST_REQUIRE(vision.end_tokens.size() == 2);
  BOOST_TEST(vision.end_tokens[0] == tokenizer().id_of("<|im_end|>").value());
}

BOOST_AUTO_TEST_CASE(the_file_goes_before_the_published_and_the_user_before_both) {
  constexpr std::string_view file = R"({"do_sample": true, "temperature": 0.3, "top_k": 7,
      "eos_token_id": [9, 8], "max_new_tokens": 50, "repetition_penalty": 1.05, "pad_token_id": 3})";
  const ReplyDefaults stated = defaults(file, ChatVariant::Instruct, true);
  BOOST_TEST(stated.sampling.temperature == 0.3f);
  BOOST_TEST(stated.sampling.top_k == 7);
  BOOST_TEST(stated.sampling.top_p == 0.8f);
  BOOST_TEST(stated.sampling.repetition_penalty == 1.05f);
  BOOST_TEST(stated.max_tokens == 50);
  BOOST_TEST((stated.end_tokens == std::vector<std::int32_t>{9, 8}));
  BOOST_TEST((defaults(R"({"eos_token_id": 4})", ChatVariant::Thinking, false).end_tokens ==
              std::vector<std::int32_t>{4}));
  BOOST_TEST(defaults(R"({"do_sample": false, "temperature": 1})", ChatVariant::Instruct, true)
                 .sampling.temperature == 0.0f);

  const SampleSettings asked = GenerationConfig::apply({.temperature = 0.2f, .top_k = 0}, stated.sampling);
  BOOST_TEST(asked.temperature == 0.2f);
  BOOST_TEST(asked.top_k == 0);
  BOOST_TEST(asked.top_p == 0.8f);
  const SampleSettings likeliest = GenerationConfig::apply(greedy(), stated.sampling);
  BOOST_TEST(likeliest.temperature == 0.0f);
  BOOST_TEST(likeliest.repetition_penalty == 1.0f);
  BOOST_TEST(likeliest.presence_penalty == 0.0f);
}

BOOST_AUTO_TEST_CASE(temperature_zero_is_free_of_penalties_that_nobody_stated) {
  const ReplyDefaults published = defaults("{}", ChatVariant::Instruct, true);
  BOOST_TEST(published.sampling.presence_penalty == 1.5f);
  BOOST_TEST(GenerationConfig::apply({.temperature = 0.0f}, published.sampling).presence_penalty == 0.0f);
  BOOST_TEST(GenerationConfig::apply({.temperature = 0.0f, .presence_penalty = 1.0f}, published.sampling)
                 .presence_penalty == 1.0f);
  BOOST_TEST(GenerationConfig::apply({.temperature = 0.5f}, published.sampling).presence_penalty == 1.5f);
  BOOST_TEST(defaults(R"({"do_sample": false})", ChatVariant::Instruct, true).sampling.presence_penalty ==
             0.0f);
}

BOOST_AUTO_TEST_CASE(values_that_mean_nothing_are_refused) {
  BOOST_TEST(message_of([] { defaults(R"({"top_k": -1})", ChatVariant::Instruct, true); }) ==
             "vlm::ConfigError [generation-config]\n"
             "  file      generation_config.json\n"
             "  at        top_k\n"
             "  expected  an integer from 0 to 2147483647\n"
             "  got       -1"
             "\n  try       generation_config.json of the published model");
  BOOST_CHECK_THROW(defaults(R"({"top_p": 1.5})", ChatVariant::Instruct, true), ConfigError);
  BOOST_CHECK_THROW(defaults(R"({"temperature": "warm"})", ChatVariant::Instruct, true), ConfigError);
}

BOOST_AUTO_TEST_SUITE_END()
