#include <boost/test/unit_test.hpp>

#include <vlm/io/json_definitions.hpp>
#include <vlm/text/tokenizer_json.hpp>

#include <string>
#include <string_view>

using vlm::TokenizerDefinition;

namespace {

// The bytes, "ab", "abc", and two added tokens.
TokenizerDefinition small_definition() {
  TokenizerDefinition definition;
  for (const char byte : vlm::detail::ByteAlphabet().bytes_in_order())
    definition.tokens.emplace_back(1, byte);
  const auto id = [](char c) { return static_cast<std::int32_t>(c - '!'); };
  definition.tokens.insert(definition.tokens.end(), {"ab", "abc", " \n"});
  const std::int32_t space = 220, new_line = 198;
  definition.merges = {{id('a'), id('b'), 256}, {256, id('c'), 257}, {space, new_line, 258}};
  definition.added_tokens = {{259, "<|end|>", true}, {260, "<think>", false}};
  return definition;
}

std::string small_file() { return vlm::write_json(vlm::tokenizer_to_json(small_definition()), -1); }

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  const std::size_t at = text.find(what);
  BOOST_REQUIRE_MESSAGE(at != text.npos, "no " << what);
  return text.replace(at, what.size(), by);
}

TokenizerDefinition read(const std::string& text) {
  return vlm::tokenizer_from_json(vlm::parse_json(text, "t.json"));
}

std::string message_of(const std::string& text) {
  try {
    read(text);
  } catch (const vlm::ConfigError& error) {
    return error.what();
  }
  return "no error";
}

std::string message_after(std::string_view what, std::string_view by) {
  return message_of(replaced(small_file(), what, by));
}

std::string expected_message(std::string_view id, std::string_view at, std::string_view expected,
                             std::string_view got) {
  std::string text = "vlm::ConfigError [" + std::string(id) + "]\n  file      t.json\n";
  if (!at.empty()) text.append("  at        ").append(at).append("\n");
  text.append("  expected  ").append(expected).append("\n  got       ").append(got);
  return text + "\n  try       a tokenizer.json of the Qwen2, Qwen2.5 or Qwen3 family";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_tokenizer_json)

BOOST_AUTO_TEST_CASE(bytes_have_printable_characters) {
  const vlm::detail::ByteAlphabet alphabet;
  BOOST_TEST(alphabet.to_characters(" \n\x7F\xC3\xAD") == "ĠĊġÃŃ");
  std::string bytes;
  BOOST_TEST(alphabet.to_bytes("ĠĊġÃŃ", bytes));
  BOOST_TEST(bytes == " \n\x7F\xC3\xAD");
  BOOST_TEST(!alphabet.to_bytes("a b", bytes));
  BOOST_TEST(!alphabet.to_bytes("猫", bytes));
  const std::string order = alphabet.bytes_in_order();
  BOOST_TEST(order.size() == 256u);
  BOOST_TEST(order.substr(0, 3) == "!\"#");
  BOOST_TEST(order.find('\n') == 198u);
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read_back) {
  const TokenizerDefinition back = read(small_file()), wanted = small_definition();
  BOOST_TEST(back.tokens == wanted.tokens, boost::test_tools::per_element());
  BOOST_TEST(back.normalises);
  BOOST_TEST(back.merges.size() == 3u);
  BOOST_TEST(back.merges[2].left == 220);
  BOOST_TEST(back.merges[2].result == 258);
  BOOST_TEST(back.added_tokens.size() == 2u);
  BOOST_TEST(back.added_tokens[0].special);
  BOOST_TEST(back.added_tokens[1].text == "<think>");
  BOOST_TEST(back.added_tokens[1].id == 260);
}

BOOST_AUTO_TEST_CASE(other_forms_of_the_same) {
  const std::string old_merges =
      replaced(small_file(), R"([["a", "b"], ["ab", "c"], ["Ġ", "Ċ"]])", R"(["a b", "ab c", "Ġ Ċ"])");
  BOOST_TEST(read(old_merges).merges.size() == 3u);
  BOOST_TEST(read(old_merges).merges[1].left == 256);
  BOOST_TEST(!read(replaced(small_file(), R"({"type": "NFC"})", "null")).normalises);
  BOOST_TEST(message_after(R"("ignore_merges": false, )", "") == "no error");
  BOOST_TEST(message_after(R"("truncation": null)", R"("truncation": {"max_length": 8})") == "no error");
}

BOOST_AUTO_TEST_CASE(other_kinds_are_named) {
  BOOST_TEST(message_after(R"("type": "BPE")", R"("type": "Unigram")") ==
             expected_message("tokenizer-kind", "model.type", "BPE", "Unigram"));
  BOOST_TEST(message_after(R"({"type": "NFC"})", R"({"type": "NFKC"})") ==
             expected_message("tokenizer-kind", "normalizer.type", "NFC", "NFKC"));
  BOOST_TEST(
      message_after(R"("pre_tokenizer": {"type": "Sequence")", R"("pre_tokenizer": {"type": "Whitespace")") ==
      expected_message("tokenizer-kind", "pre_tokenizer.type", "Sequence", "Whitespace"));
  BOOST_TEST(message_after(R"({"type": "Split")", R"({"type": "Digits")")
                 .starts_with("vlm::ConfigError [tokenizer-kind]\n  file      t.json\n  at        "
                              "pre_tokenizer.pretokenizers\n"
                              "  expected  Split and ByteLevel\n  got       [{\"type\": \"Digits\""));
  BOOST_TEST(message_after(R"("decoder": {"type": "ByteLevel")", R"("decoder": {"type": "Fuse")") ==
             expected_message("tokenizer-kind", "decoder.type", "ByteLevel", "Fuse"));
  BOOST_TEST(message_after(R"("post_processor": {"type": "ByteLevel")",
                           R"("post_processor": {"type": "BertProcessing")") ==
             expected_message("tokenizer-kind", "post_processor.type", "ByteLevel", "BertProcessing"));
  BOOST_TEST(message_of("{}") ==
             expected_message("tokenizer-kind", "top level", "pre_tokenizer Sequence", "none"));
}

BOOST_AUTO_TEST_CASE(another_expression_is_named) {
  const std::string message = message_after(R"(\\p{N}|)", R"(\\p{N}{1,3}|)");
  BOOST_TEST(
      message.starts_with("vlm::ConfigError [tokenizer-kind]\n  file      t.json\n  at        "
                          "pre_tokenizer.pretokenizers[0].pattern\n"
                          "  expected  Regex (?i:'s|"));
  BOOST_TEST(message.find(R"(\\p{N}{1,3}|)") != message.npos);
}

BOOST_AUTO_TEST_CASE(settings_that_change_ids_are_named) {
  BOOST_TEST(message_after(R"("ignore_merges": false)", R"("ignore_merges": true)") ==
             expected_message("tokenizer-setting", "model.ignore_merges", "false", "true"));
  BOOST_TEST(message_after(R"("dropout": null)", R"("dropout": 0.5)") ==
             expected_message("tokenizer-setting", "model.dropout", "null", "0.5"));
  BOOST_TEST(message_after(R"("add_prefix_space": false)", R"("add_prefix_space": true)") ==
             expected_message("tokenizer-setting", "pre_tokenizer.pretokenizers[1].add_prefix_space", "false",
                              "true"));
  BOOST_TEST(message_after(R"("lstrip": false)", R"("lstrip": true)") ==
             expected_message("tokenizer-setting", "added_tokens[0].lstrip", "false", "true"));
}

BOOST_AUTO_TEST_CASE(damaged_vocabularies) {
  BOOST_TEST(message_after(R"("abc": 257)", R"("abc": 256)") ==
             expected_message("tokenizer-vocabulary", "model.vocab", "each id from 0 to 258 once",
                              "256 for \"abc\""));
  BOOST_TEST(message_after(R"("abc": 257)", R"("abc": 1000000000000)") ==
             expected_message("tokenizer-vocabulary", "model.vocab", "each id from 0 to 258 once",
                              "1000000000000 for \"abc\""));
  BOOST_TEST(message_after(R"("abc": 257)", R"("a c": 257)") ==
             expected_message("tokenizer-vocabulary", "model.vocab", "tokens in the byte-level alphabet",
                              "\"a c\""));
  BOOST_TEST(message_after(R"("a": 64)", R"("aa": 64)") ==
             expected_message("tokenizer-vocabulary", "model.vocab", "a token for each byte", "no \"a\""));
}

BOOST_AUTO_TEST_CASE(damaged_merges) {
  BOOST_TEST(message_after(R"(["a", "b"])", R"(["a", "x"])") ==
             expected_message("tokenizer-merges", "model.merges[0]", "tokens of the vocabulary",
                              "\"ax\" in [\"a\", \"x\"]"));
  for (const char* wrong : {R"(["a"])", R"("ab")", R"("a ")", R"(" b")", "7"}) {
    const std::string got = wrong;
    BOOST_TEST(message_after(R"(["a", "b"])", wrong)
                   .find("\n  expected  \"a b\" or [\"a\", \"b\"]\n  got       " + got) != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(damaged_added_tokens) {
  BOOST_TEST(message_after(R"("id": 260)", R"("id": 261)") ==
             expected_message("tokenizer-added", "added_tokens", "ids that follow the vocabulary: 260 next",
                              "261 for \"<think>\""));
  BOOST_TEST(message_after(R"("id": 260)", R"("id": 259)") ==
             expected_message("tokenizer-added", "added_tokens", "ids that follow the vocabulary: 260 next",
                              "259 for \"<think>\""));
  BOOST_TEST(message_after(R"("id": 260)", R"("id": -1)") ==
             expected_message("tokenizer-added", "added_tokens[1].id", "an id of 31 bits", "-1"));
  BOOST_TEST(message_after(R"("<think>")", R"("")") ==
             expected_message("tokenizer-added", "added_tokens[1]", "a text", "an empty one"));
}

// A token of the base vocabulary may be an added token as well.
BOOST_AUTO_TEST_CASE(an_added_token_of_the_base_vocabulary) {
  const std::string second_role =
      replaced(replaced(small_file(), R"("id": 260)", R"("id": 257)"), R"("<think>")", R"("abc")");
  BOOST_TEST(read(second_role).added_tokens[0].id == 257);
  BOOST_TEST(message_of(replaced(small_file(), R"("id": 260)", R"("id": 257)")) ==
             expected_message("tokenizer-added", "added_tokens", "ids that follow the vocabulary: 259 next",
                              "257 for \"<think>\""));
}

BOOST_AUTO_TEST_SUITE_END()
