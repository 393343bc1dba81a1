#include <algorithm>
#include <boost/test/unit_test.hpp>

#include <vlm/io/json_definitions.hpp>
#include <vlm/text/tokenizer.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "message_of.hpp"

using vlm::SpecialTokens;
using vlm::Tokenizer;
using Ids = std::vector<std::int32_t>;

namespace {

enum : std::int32_t { digit_7 = 22, end_token = 263, think_token = 264 };

// The bytes with ids as in Qwen's files, seven merges, and two added tokens.
Tokenizer small_tokenizer() {
  vlm::TokenizerDefinition definition;
  for (const char byte : vlm::detail::ByteAlphabet().bytes_in_order())
    definition.tokens.emplace_back(1, byte);
  const auto add = [&definition](std::int32_t left, std::int32_t right) {
    const auto text = [&](std::int32_t id) { return definition.tokens[static_cast<std::size_t>(id)]; };
    definition.merges.push_back({left, right, static_cast<std::int32_t>(definition.tokens.size())});
    definition.tokens.push_back(text(left) + text(right));
  };
  const auto id = [](char c) { return static_cast<std::int32_t>(c - '!'); };
  add(id('l'), id('l'));  // 256 ll
  add(id('h'), id('e'));  // 257 he
  add(257, 256);          // 258 hell
  add(258, id('o'));      // 259 hello
  add(220, 259);          // 260 " hello"
  add(127, 102);          // 261 é: C3 A9
  add(198, 198);          // 262 two line breaks
  definition.added_tokens = {{end_token, "<|end|>", true}, {think_token, "<think>", false}};
  return Tokenizer(std::move(definition));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_tokenizer)

BOOST_AUTO_TEST_CASE(encode) {
  const Tokenizer tokenizer = small_tokenizer();
  const auto check = [&](std::string_view text, const Ids& ids) {
    BOOST_TEST_CONTEXT("text \"" << text << "\"") {
      BOOST_TEST(tokenizer.encode(text) == ids, boost::test_tools::per_element());
    }
  };
  check("", {});
  check("hello hello", {259, 260});
  check("hello  hello", {259, 220, 260});
  check("hell7", {258, digit_7});
  check("\n\nhello", {262, 259});
  check("caf\u00E9", {66, 64, 69, 261});
}

BOOST_AUTO_TEST_CASE(added_tokens_are_cut_from_the_raw_text) {
  const Tokenizer tokenizer = small_tokenizer();
  BOOST_TEST(tokenizer.encode("hello<|end|><think>hello") == (Ids{259, end_token, think_token, 259}),
             boost::test_tools::per_element());
  // The mark after the token does not reach back, and the pieces on both sides do not join.
  BOOST_TEST(tokenizer.encode("e<|end|>\u0301") == (Ids{68, end_token, 136, 223}),
             boost::test_tools::per_element());
  BOOST_TEST(tokenizer.encode("\n<|end|>\n") == (Ids{198, end_token, 198}), boost::test_tools::per_element());
  const Ids plain = tokenizer.encode_plain("hello<|end|>");
  BOOST_TEST(plain.front() == 259);
  BOOST_TEST((std::find(plain.begin(), plain.end(), end_token) == plain.end()));
  BOOST_TEST(tokenizer.decode(plain) == "hello<|end|>");
  // Of the added tokens the special ones only are held off, and what stands beside them joins.
  const Ids mixed = tokenizer.encode_plain("hello<think>hel<|end|>lo<think>hello");
  BOOST_TEST(std::count(mixed.begin(), mixed.end(), think_token) == 2);
  BOOST_TEST((std::find(mixed.begin(), mixed.end(), end_token) == mixed.end()));
  BOOST_TEST(mixed.back() == 259);
  BOOST_TEST(tokenizer.decode(mixed) == "hello<think>hel<|end|>lo<think>hello");
  for (const char* text : {"", "<think>", "hello hello", "<think><think>e", "e<think>"})
    BOOST_TEST(tokenizer.encode_plain(text) == tokenizer.encode(text), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(text_is_normalised_and_repaired) {
  const Tokenizer tokenizer = small_tokenizer();
  BOOST_TEST(tokenizer.encode("e\u0301") == (Ids{261}), boost::test_tools::per_element());
  BOOST_TEST(tokenizer.decode(tokenizer.encode("e\u0301")) == "\u00E9");
  BOOST_TEST(tokenizer.decode(tokenizer.encode("a\xFFz")) == "a\uFFFDz");
  vlm::Json file = tokenizer.to_json();
  file.set("normalizer", nullptr);
  const Tokenizer plain = Tokenizer::from_json(file);
  BOOST_TEST(plain.decode(plain.encode("e\u0301\xFF")) == "e\u0301\uFFFD");
}

BOOST_AUTO_TEST_CASE(decode) {
  const Tokenizer tokenizer = small_tokenizer();
  const Ids ids = {259, end_token, think_token, 260};
  BOOST_TEST(tokenizer.decode(ids) == "hello<|end|><think> hello");
  BOOST_TEST(tokenizer.decode(ids, SpecialTokens::Skip) == "hello<think> hello");
  BOOST_TEST(tokenizer.decode(Ids{127, end_token, 102}) == "\uFFFD<|end|>\uFFFD");
  BOOST_TEST(tokenizer.decode(Ids{127, end_token, 102}, SpecialTokens::Skip) == "\u00E9");
}

BOOST_AUTO_TEST_CASE(ids_without_a_token) {
  const Tokenizer tokenizer = small_tokenizer();
  BOOST_TEST(message_of([&] { tokenizer.decode(Ids{259, 265}); }) ==
             "vlm::DataError [token-id]\n"
             "  expected  a token id below 265\n"
             "  got       265\n"
             "  try       the tokenizer that belongs to the model; models may have more rows");
  BOOST_CHECK_THROW(tokenizer.bytes_of(-1), vlm::DataError);
}

BOOST_AUTO_TEST_CASE(looking_up_tokens) {
  const Tokenizer tokenizer = small_tokenizer();
  BOOST_TEST(tokenizer.vocabulary_size() == 265u);
  BOOST_TEST(tokenizer.id_of(" hello").value() == 260);
  BOOST_TEST(tokenizer.id_of("<|end|>").value() == end_token);
  BOOST_TEST(tokenizer.id_of("\xC3").value() == 127);
  BOOST_TEST(!tokenizer.id_of("hellooo").has_value());
  BOOST_TEST(!tokenizer.id_of("").has_value());
  BOOST_TEST(tokenizer.is_special(end_token));
  BOOST_TEST(!tokenizer.is_special(think_token));
  BOOST_TEST(!tokenizer.is_special(259));
  BOOST_TEST(!tokenizer.is_special(-1));
  BOOST_TEST(!tokenizer.is_special(1000));
  BOOST_TEST(tokenizer.added_tokens().size() == 2u);
}

BOOST_AUTO_TEST_CASE(any_text_comes_back) {
  const Tokenizer tokenizer = small_tokenizer();
  std::mt19937 random(3);
  const std::vector<std::string> parts = {"hello", " ",  "\n",      "é",       "猫", "🙂",
                                          "7",     "'s", "<|end|>", "<think>", "<|", "!"};
  for (int repeat = 0; repeat < 200; ++repeat) {
    std::string text;
    for (int i = 0; i < 20; ++i) text += parts[random() % parts.size()];
    BOOST_TEST(tokenizer.decode(tokenizer.encode(text)) == text);
  }
}

BOOST_AUTO_TEST_CASE(saved_and_loaded) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("vlm_tokenizer_" + std::to_string(std::random_device{}()));
  std::filesystem::create_directory(folder);
  const Tokenizer tokenizer = small_tokenizer();
  vlm::save_tokenizer(tokenizer, (folder / "tokenizer.json").string());
  for (const std::string& path : {folder.string(), (folder / "tokenizer.json").string()}) {
    const Tokenizer loaded = Tokenizer::load(path);
    BOOST_TEST(vlm::write_json(loaded.to_json()) == vlm::write_json(tokenizer.to_json()));
    BOOST_TEST(loaded.encode("hello<|end|>") == (Ids{259, end_token}), boost::test_tools::per_element());
  }
  std::filesystem::remove_all(folder);
  BOOST_TEST(message_of([&] { Tokenizer::load(folder.string()); }) ==
             "vlm::FileError [file-open]\n"
             "  file      " +
                 folder.string() +
                 "/tokenizer.json\n"
                 "  expected  a readable file\n"
                 "  got       No such file or directory\n"
                 "  try       check the path and its permissions");
}

BOOST_AUTO_TEST_CASE(copies_are_independent) {
  auto original = std::make_unique<Tokenizer>(small_tokenizer());
  const Tokenizer copy = *original;
  original.reset();
  BOOST_TEST(copy.id_of("hello").value() == 259);
  BOOST_TEST(copy.encode("hello<|end|>") == (Ids{259, end_token}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_stream_never_shows_half_a_character) {
  const Tokenizer tokenizer = small_tokenizer();
  vlm::StreamDecoder stream(tokenizer);
  BOOST_TEST(stream.push(259) == "hello");
  const Ids cat = tokenizer.encode("猫");
  BOOST_TEST(cat.size() == 3u);
  BOOST_TEST(stream.push(cat[0]) == "");
  BOOST_TEST(stream.push(cat[1]) == "");
  BOOST_TEST(stream.push(cat[2]) == "猫");
  BOOST_TEST(stream.push(cat[0]) == "");
  BOOST_TEST(stream.push(digit_7) == "\uFFFD7");  // the start of a character that never came
  BOOST_TEST(stream.push(cat[0]) == "");
  BOOST_TEST(stream.finish() == "\uFFFD");
  BOOST_TEST(stream.finish() == "");
}

BOOST_AUTO_TEST_CASE(a_stream_skips_special_tokens) {
  const Tokenizer tokenizer = small_tokenizer();
  vlm::StreamDecoder stream(tokenizer, SpecialTokens::Skip);
  BOOST_TEST(stream.push(end_token) == "");
  BOOST_TEST(stream.push(think_token) == "<think>");
}

BOOST_AUTO_TEST_CASE(a_stream_gives_what_decode_gives) {
  const Tokenizer tokenizer = small_tokenizer();
  std::mt19937 random(11);
  for (const SpecialTokens special : {SpecialTokens::Keep, SpecialTokens::Skip}) {
    for (int repeat = 0; repeat < 300; ++repeat) {
      Ids ids(12);
      for (std::int32_t& id : ids)
        id = static_cast<std::int32_t>(94 + random() % 171);  // mostly bytes above 127
      vlm::StreamDecoder stream(tokenizer, special);
      std::string text;
      for (const std::int32_t id : ids) text += stream.push(id);
      text += stream.finish();
      BOOST_TEST(text == tokenizer.decode(ids, special));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
