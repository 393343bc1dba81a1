#include <boost/test/unit_test.hpp>

#include <vlm/text/added_tokens.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace {

// Words in angle brackets, the text between them as it is.
std::string split(const std::vector<std::string>& words, std::string_view text) {
  std::string result;
  vlm::WordFinder(words).split(
      text, [&](std::string_view between) { result.append("'").append(between).append("'"); },
      [&](std::size_t index) { result.append("[").append(words[index]).append("]"); });
  return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_added_tokens)

BOOST_AUTO_TEST_CASE(words_and_the_text_between_them) {
  const std::vector<std::string> words = {"<a>", "<b>"};
  BOOST_TEST(split(words, "x<a>y z<b><a>") == "'x'[<a>]'y z'[<b>][<a>]");
  BOOST_TEST(split(words, "<<a>>") == "'<'[<a>]'>'");
  BOOST_TEST(split(words, "<c>") == "'<c>'");
  BOOST_TEST(split(words, "<a") == "'<a'");
  BOOST_TEST(split(words, "") == "");
  BOOST_TEST(split({}, "<a>") == "'<a>'");
}

BOOST_AUTO_TEST_CASE(the_leftmost_wins_and_there_the_longest) {
  BOOST_TEST(split({"ab", "abcd", "bcde", "abc"}, "abcde") == "[abcd]'e'");
  BOOST_TEST(split({"ab", "abcd"}, "abc abcd") == "[ab]'c '[abcd]");
  BOOST_TEST(split({"bcd", "a"}, "abcd") == "[a][bcd]");
}

BOOST_AUTO_TEST_CASE(words_of_any_bytes) { BOOST_TEST(split({"é", "\xFF"}, "né\xFFx") == "'n'[é][\xFF]'x'"); }

BOOST_AUTO_TEST_SUITE_END()
