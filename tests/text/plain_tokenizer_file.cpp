#include <boost/test/unit_test.hpp>

#include <vlm/io/json_definitions.hpp>
#include <vlm/text/plain_tokenizer_file.hpp>

#include <optional>
#include <string>
#include <string_view>

using vlm::TokenizerDefinition;

namespace {

std::string small_file(int indent = -1) {
  TokenizerDefinition definition;
  for (const char byte : vlm::detail::ByteAlphabet().bytes_in_order())
    definition.tokens.emplace_back(1, byte);
  const auto id = [](char c) { return static_cast<std::int32_t>(c - '!'); };
  definition.tokens.insert(definition.tokens.end(), {"ab", "abc", "\"\\"});
  definition.merges = {{id('a'), id('b'), 256}, {256, id('c'), 257}, {id('"'), id('\\'), 258}};
  definition.added_tokens = {{259, "<|end|>", true}};
  return vlm::write_json(vlm::tokenizer_to_json(definition), indent);
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  const std::size_t at = text.find(what);
  BOOST_REQUIRE_MESSAGE(at != text.npos, "no " << what);
  return text.replace(at, what.size(), by);
}

bool is_plain(const std::string& text) {
  return vlm::detail::PlainTokenizerReader(text).read("t.json").has_value();
}

std::string read_again(const std::string& text) {
  return vlm::write_json(vlm::tokenizer_to_json(vlm::read_tokenizer_json(text, "t.json")), -1);
}

std::string message_of(const std::string& text) {
  try {
    vlm::read_tokenizer_json(text, "t.json");
  } catch (const vlm::Error& error) {
    return error.what();
  }
  return "no error";
}

// As the general reader words it.
std::string general_message_of(const std::string& text) {
  try {
    vlm::tokenizer_from_json(vlm::parse_json(text, "t.json"));
  } catch (const vlm::Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_plain_tokenizer_file)

BOOST_AUTO_TEST_CASE(plain_files_in_all_layouts) {
  for (const int indent : {-1, 0, 2}) {
    BOOST_TEST(is_plain(small_file(indent)));
    BOOST_TEST(read_again(small_file(indent)) == small_file());
  }
  const std::string old =
      replaced(small_file(), R"([["a", "b"], ["ab", "c"], ["\"", "\\"]])", R"(["a b", "ab c", "\" \\"])");
  BOOST_TEST(is_plain(old));
  BOOST_TEST(read_again(old) == small_file());
}

BOOST_AUTO_TEST_CASE(other_spellings_of_the_same) {
  const std::string file = small_file();
  for (const std::string& text :
       {replaced(file, R"("a": 64)", R"("\u0061": 64)"), replaced(file, R"("/": 14)", R"("\/": 14)"),
        replaced(file, R"("a": 64, "b": 65)", R"("b": 65, "a": 64)")}) {
    BOOST_TEST(!is_plain(text));
    BOOST_TEST(read_again(text) == file);
  }
}

// Each of these is left to the general reader, whose message comes out.
BOOST_AUTO_TEST_CASE(errors_are_those_of_the_general_reader) {
  const std::string file = small_file();
  for (const std::string& text :
       {replaced(file, R"("a": 64)", R"("a": 640)"), replaced(file, R"("a": 64)", R"("b": 64)"),
        replaced(file, R"("a": 64)", R"("a": 064)"), replaced(file, R"("a": 64)", R"("a" 64)"),
        replaced(file, R"("a": 64)", R"("": 64)"), replaced(file, R"("a": 64)", "\"\xE7\x8C\xAB\": 64"),
        replaced(file, R"(["a", "b"])", R"(["a", "bbb"])"), replaced(file, R"(["a", "b"])", R"(["a"])"),
        replaced(file, R"(["a", "b"])", R"(["b", "a"])"), replaced(file, R"("NFC")", R"("NFKC")"),
        replaced(file, R"("model": {)", R"("model": {"vocab": {}, )"),
        replaced(file, R"("version": "1.0")", R"("version": 1.0.0)"), file + "x",
        file.substr(0, file.size() / 2), file.substr(0, file.size() - 1), std::string("{"), std::string(),
        std::string("{\"model\": {\"vocab\": {}")}) {
    BOOST_TEST(!is_plain(text));
    BOOST_TEST(message_of(text) == general_message_of(text));
    BOOST_TEST(message_of(text) != "no error");
  }
}

BOOST_AUTO_TEST_CASE(a_file_cut_anywhere_is_an_error) {
  const std::string file = small_file();
  for (std::size_t size = 0; size < file.size(); size += 7) BOOST_TEST(!is_plain(file.substr(0, size)));
}

BOOST_AUTO_TEST_SUITE_END()
