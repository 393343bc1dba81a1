#include <boost/test/unit_test.hpp>

#include <vlm/text/normalization.hpp>

#include <random>
#include <string>
#include <string_view>
#include <vector>

using vlm::to_nfc;

namespace {

std::string utf8(char32_t c) {
  std::string text;
  vlm::append_utf8(text, c);
  return text;
}

// The definition, of the whole text at once.
std::string nfc_by_definition(std::string_view text) {
  std::vector<char32_t> characters;
  while (!text.empty()) {
    const vlm::Utf8Character next = vlm::decode_utf8(text);
    vlm::detail::decompose(next.code_point, characters);
    text.remove_prefix(next.size);
  }
  vlm::detail::order_marks(characters);
  vlm::detail::compose_all(characters);
  std::string result;
  for (const char32_t c : characters) vlm::append_utf8(result, c);
  return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_normalization)

BOOST_AUTO_TEST_CASE(canonical_composition) {
  BOOST_TEST(to_nfc("e\u0301") == "\u00E9");
  BOOST_TEST(to_nfc("\u1E9B\u0323") == "\u1E9B\u0323");        // stays
  BOOST_TEST(to_nfc("s\u0307\u0323") == "\u1E69");             // marks change places, then both join
  BOOST_TEST(to_nfc("a\u0300\u0300") == "\u00E0\u0300");       // the second is blocked
  BOOST_TEST(to_nfc("\u0301e") == "\u0301e");                  // no starter before it
  BOOST_TEST(to_nfc("q\u0307\u0323") == "q\u0323\u0307");      // ordered, nothing composes
  BOOST_TEST(to_nfc("\u212B\u2126") == "\u00C5\u03A9");        // singletons
  BOOST_TEST(to_nfc("\u0958") == "\u0915\u093C");              // excluded from composition
  BOOST_TEST(to_nfc("\u0344") == "\u0308\u0301");              // a mark that decomposes
  BOOST_TEST(to_nfc("\uF900\U0002F800") == "\u8C48\u4E3D");    // compatibility ideographs
  BOOST_TEST(to_nfc("\uFA0E") == "\uFA0E");                    // a unified one among them
  BOOST_TEST(to_nfc("\U0001D15E") == "\U0001D157\U0001D165");  // beyond the first plane
  BOOST_TEST(to_nfc("\uFB01") == "\uFB01");                    // compatibility only
  BOOST_TEST(to_nfc("\xC3") == "\uFFFD");
}

BOOST_AUTO_TEST_CASE(hangul_composes_by_arithmetic) {
  BOOST_TEST(to_nfc("\u1112\u1161\u11AB") == "한");
  BOOST_TEST(to_nfc("\u1112\u1161") == "하");
  BOOST_TEST(to_nfc("하\u11AB") == "한");
  BOOST_TEST(to_nfc("한\u11AB") == "한\u11AB");
  BOOST_TEST(to_nfc("하\u11A7") == "하\u11A7");  // U+11A7 is no trailing consonant
  BOOST_TEST(to_nfc("\u1161\u1112") == "\u1161\u1112");
}

BOOST_AUTO_TEST_CASE(normalising_twice_changes_nothing) {
  for (char32_t c = 1; c < 0x30000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::string once = to_nfc(utf8(c) + "\u0323\u0301");
    if (to_nfc(once) != once) BOOST_ERROR("U+" << std::hex << static_cast<std::uint32_t>(c));
  }
}

BOOST_AUTO_TEST_CASE(stretches_give_what_the_whole_text_gives) {
  const std::vector<std::string> parts = {
      "a",      "e",    "\u0301", "\u0323",          "\u1100", "\u1161", "\u11A8", "\uAC00", "\u212B",
      "\u0344", "\xC3", "\u00E9", "long ascii text", "\u0958", "\u093C", "\u0F73", "\u4E00", "\U0002F800"};
  std::mt19937 random(9);
  for (int repeat = 0; repeat < 3000; ++repeat) {
    std::string text;
    for (int i = 0; i < 9; ++i) text += parts[random() % parts.size()];
    BOOST_TEST(to_nfc(text) == nfc_by_definition(text));
  }
}

BOOST_AUTO_TEST_CASE(settled_texts_stay) {
  for (const char* text : {"", "a", "seventeen letters", "n\u00E9 \u4F60\u597D \U0001F642", "\uAC00"}) {
    BOOST_TEST(vlm::is_settled(text), text);
    BOOST_TEST(to_nfc(text) == text);
  }
  for (const char* text : {"e\u0301", "eight by\xFF", "\xC3", "\u1161", "\uF900"})
    BOOST_TEST(!vlm::is_settled(text), text);
}

BOOST_AUTO_TEST_SUITE_END()
