#include <boost/test/unit_test.hpp>

#include <vlm/io/json_definitions.hpp>
#include <vlm/text/tokenizer_parts.hpp>

#include <string>
#include <string_view>

#include "temporary_folder.hpp"

namespace {

struct Parts : TemporaryFolder {
  Parts() {
    std::string vocabulary = "{";
    const vlm::detail::ByteAlphabet alphabet;
    int id = 0;
    for (const char byte : alphabet.bytes_in_order())
      vocabulary +=
          vlm::write_json(vlm::Json(alphabet.to_characters({&byte, 1}))) + ": " + std::to_string(id++) + ", ";
    write("vocab.json", vocabulary + R"("ab": 256, "abc": 257})");
    write("merges.txt", "#version: 0.2\na b\nab c\n");
  }
  void write(std::string_view name, std::string_view text) const {
    vlm::write_file_atomically(path + "/" + std::string(name), text);
  }
  vlm::TokenizerDefinition read() const { return vlm::read_tokenizer_parts(path); }
  std::string message() const {
    try {
      read();
    } catch (const vlm::Error& error) {
      std::string text = error.what();
      for (std::size_t at; (at = text.find(path)) != text.npos;) text.replace(at, path.size(), "FOLDER");
      return text;
    }
    return "no error";
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(text_tokenizer_parts)

BOOST_AUTO_TEST_CASE(vocabulary_and_merges) {
  const Parts parts;
  const vlm::TokenizerDefinition definition = parts.read();
  BOOST_TEST(definition.tokens.size() == 258u);
  BOOST_TEST(definition.tokens[257] == "abc");
  BOOST_TEST(definition.merges.size() == 2u);
  BOOST_TEST(definition.merges[1].left == 256);
  BOOST_TEST(definition.added_tokens.empty());
  BOOST_TEST(definition.normalises);
}

BOOST_AUTO_TEST_CASE(added_tokens_come_from_the_configuration) {
  const Parts parts;
  parts.write("tokenizer_config.json",
              R"({"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": {
                  "259": {"content": "<think>", "special": false}, "258": {"content": "<|end|>", "special": true}}})");
  const vlm::TokenizerDefinition definition = parts.read();
  BOOST_TEST(definition.added_tokens.size() == 2u);
  BOOST_TEST(definition.added_tokens[0].text == "<|end|>");
  BOOST_TEST(definition.added_tokens[0].special);
  BOOST_TEST(definition.added_tokens[1].id == 259);
}

BOOST_AUTO_TEST_CASE(wrong_parts) {
  const Parts parts;
  parts.write("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer"})");
  BOOST_TEST(parts.message() ==
             "vlm::ConfigError [tokenizer-kind]\n"
             "  file      FOLDER/tokenizer_config.json\n"
             "  at        tokenizer_class\n"
             "  expected  Qwen2Tokenizer or Qwen2TokenizerFast\n"
             "  got       LlamaTokenizer\n"
             "  try       a tokenizer.json, which says what it is");
  parts.write("tokenizer_config.json",
              R"({"added_tokens_decoder": {"x": {"content": "y", "special": true}}})");
  BOOST_TEST(parts.message() ==
             "vlm::ConfigError [tokenizer-added]\n"
             "  file      FOLDER/tokenizer_config.json\n"
             "  at        added_tokens_decoder\n"
             "  expected  ids as the names of members\n"
             "  got       \"x\""
             "\n  try       fetch the tokenizer again; its file is damaged");
  parts.write("tokenizer_config.json", "{}");
  parts.write("merges.txt", "#version: 0.2\na b\nab q\n");
  BOOST_TEST(parts.message() ==
             "vlm::ConfigError [tokenizer-merges]\n"
             "  file      FOLDER/merges.txt\n"
             "  at        line 3\n"
             "  expected  tokens of the vocabulary\n"
             "  got       \"abq\" in \"ab q\"\n"
             "  try       a tokenizer.json of the Qwen2, Qwen2.5 or Qwen3 family");
}

BOOST_AUTO_TEST_SUITE_END()
