#include <boost/test/unit_test.hpp>

#include <vlm/text/unicode.hpp>

#include <string>
#include <string_view>

using namespace std::literals;
using vlm::repair_utf8;

namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (int value : values) text += static_cast<char>(value);
  return text;
}

std::string utf8(char32_t c) {
  std::string text;
  vlm::append_utf8(text, c);
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_unicode)

BOOST_AUTO_TEST_CASE(characters_go_to_utf8_and_back) {
  for (const char32_t c : {U'\0', U'A', U'\x7F', U'\x80', U'\u07FF', U'\u0800', U'\uD7FF', U'\uE000',
                           U'\uFFFF', U'\U00010000', U'\U0010FFFF'}) {
    const std::string text = utf8(c) + "x";
    const vlm::Utf8Character decoded = vlm::decode_utf8(text);
    BOOST_TEST(static_cast<std::uint32_t>(decoded.code_point) == static_cast<std::uint32_t>(c));
    BOOST_TEST(decoded.size == text.size() - 1);
    BOOST_TEST((decoded.status == vlm::Utf8Status::Valid));
  }
  BOOST_TEST(utf8(U'\u20AC') == "\xE2\x82\xAC");
  BOOST_TEST(utf8(U'\U0001F642') == "\xF0\x9F\x99\x82");
}

// The example of the Unicode Standard, table 3-8, and what Python gives for the others.
BOOST_AUTO_TEST_CASE(each_maximal_subpart_of_bad_bytes_is_one_replacement_character) {
  const std::string table_3_8 =
      bytes({0x61, 0xF1, 0x80, 0x80, 0xE1, 0x80, 0xC2, 0x62, 0x80, 0x63, 0x80, 0xBF, 0x64});
  BOOST_TEST(repair_utf8(table_3_8) == "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
  BOOST_TEST(repair_utf8(bytes({0xC0, 0xAF})) == "\uFFFD\uFFFD");                          // overlong
  BOOST_TEST(repair_utf8(bytes({0xED, 0xA0, 0x80})) == "\uFFFD\uFFFD\uFFFD");              // surrogate
  BOOST_TEST(repair_utf8(bytes({0xF4, 0x90, 0x80, 0x80})) == "\uFFFD\uFFFD\uFFFD\uFFFD");  // above U+10FFFF
  BOOST_TEST(repair_utf8(bytes({0x78, 0xE2, 0x82})) == "x\uFFFD");
  BOOST_TEST(repair_utf8("né 你好 🙂") == "né 你好 🙂");
}

BOOST_AUTO_TEST_CASE(a_text_that_ends_inside_a_character_is_incomplete) {
  const auto status = [](std::string_view text) { return vlm::decode_utf8(text).status; };
  BOOST_TEST((status("\xE2\x82") == vlm::Utf8Status::Incomplete));
  BOOST_TEST((status("\xF0") == vlm::Utf8Status::Incomplete));
  BOOST_TEST((status("\xE0\x80") == vlm::Utf8Status::Bad));  // can no longer become a character
  BOOST_TEST((status("\xE2x") == vlm::Utf8Status::Bad));
  BOOST_TEST((status("\xFF") == vlm::Utf8Status::Bad));
}

BOOST_AUTO_TEST_CASE(categories) {
  for (const char32_t c :
       {U'a', U'Z', U'ª', U'é', U'ſ', U'я', U'ا', U'क', U'一', U'한', U'ﬆ', U'\U00020000', U'𝒜'})
    BOOST_TEST(vlm::is_letter(c), static_cast<std::uint32_t>(c));
  for (const char32_t c : {U'@', U'[', U'0', U'_', U' ', U'\u0301', U'\u094D', U'Ⅷ', U'。', U'🙂', U'\uFFFD'})
    BOOST_TEST(!vlm::is_letter(c), static_cast<std::uint32_t>(c));
  for (const char32_t c : {U'0', U'9', U'½', U'²', U'٣', U'Ⅷ', U'〇', U'①', U'\U0001D7FF'})
    BOOST_TEST(vlm::is_number(c), static_cast<std::uint32_t>(c));
  for (const char32_t c : {U'/', U':', U'a', U'一', U'三'})
    BOOST_TEST(!vlm::is_number(c), static_cast<std::uint32_t>(c));
}

BOOST_AUTO_TEST_CASE(white_space_is_the_unicode_property) {
  std::size_t count = 0;
  for (char32_t c = 0; c < 0x110000; ++c) count += vlm::is_white_space(c);
  BOOST_TEST(count == 25u);
  for (const char32_t c : {U'\t', U'\n', U'\v', U'\f', U'\r', U' ', char32_t{0x85}, U'\u00A0', U'\u1680',
                           U'\u2000', U'\u200A', U'\u2028', U'\u2029', U'\u202F', U'\u205F', U'\u3000'})
    BOOST_TEST(vlm::is_white_space(c), static_cast<std::uint32_t>(c));
  for (const char32_t c : {U'\u180E', U'\u200B', U'\uFEFF', char32_t{0x1C}, char32_t{0x1F}, char32_t{0}})
    BOOST_TEST(!vlm::is_white_space(c), static_cast<std::uint32_t>(c));
}

BOOST_AUTO_TEST_SUITE_END()
