#include <boost/test/unit_test.hpp>

#include <vlm/text/pre_tokenizer.hpp>

#include <string>
#include <string_view>
#include <vector>

using namespace std::literals;

namespace {

std::vector<std::string_view> pieces_of(std::string_view text) {
  std::vector<std::string_view> pieces;
  vlm::for_each_piece(text, [&](std::string_view piece) { pieces.push_back(piece); });
  return pieces;
}

struct Case {
  std::string_view text;
  std::vector<std::string_view> pieces;
};

// The pieces are those of the reference, the Split pre-tokenizer of the library
// `tokenizers` with this expression.
const std::vector<Case> cases = {
    // clang-format off
    {"Hello world", {"Hello", " world"}},
    {" Hello  world", {" Hello", " ", " world"}},
    {"we're I'm you'll he'd it's can't I've", {"we", "'re", " I", "'m", " you", "'ll", " he", "'d", " it", "'s", " can", "'t", " I", "'ve"}},
    {"WE'RE I'M IT'S", {"WE", "'RE", " I", "'M", " IT", "'S"}},
    {"'sable 'tis", {"'s", "able", " '", "tis"}},
    {"don''t", {"don", "''", "t"}},
    {"'\u017Ft", {"'\u017F", "t"}},
    {"'l 'r 'v", {"'l", " '", "r", " '", "v"}},
    {"\u2019s", {"\u2019s"}},
    {"abc123 4", {"abc", "1", "2", "3", " ", "4"}},
    {"x=1;\n\ny", {"x", "=", "1", ";\n\n", "y"}},
    {"a!!\r\n\r\nb", {"a", "!!\r\n\r\n", "b"}},
    {"(foo)bar", {"(foo", ")bar"}},
    {"#foo", {"#foo"}},
    {"\n#foo", {"\n", "#foo"}},
    {"?!?! ok", {"?!?!", " ok"}},
    {"  !", {" ", " !"}},
    {"a  b", {"a", " ", " b"}},
    {"a \t b", {"a", " \t", " b"}},
    {"   ", {"   "}},
    {"a   ", {"a", "   "}},
    {"\n\n  \n  x", {"\n\n  \n", " ", " x"}},
    {"  \n", {"  \n"}},
    {"\r\n\r\n", {"\r\n\r\n"}},
    {"\t\tx", {"\t", "\tx"}},
    {"\tx", {"\tx"}},
    {"\n x", {"\n", " x"}},
    {"x \n", {"x", " \n"}},
    {"\u3000\u3000\u4F60\u597D\uFF0C\u4E16\u754C", {"\u3000", "\u3000\u4F60\u597D", "\uFF0C\u4E16\u754C"}},
    {"\u00BD\u0663\u2167", {"\u00BD", "\u0663", "\u2167"}},
    {"e\u0301a", {"e", "\u0301a"}},
    {"\u0915\u094D\u0937", {"\u0915", "\u094D\u0937"}},
    {"\u0E01\u0E33", {"\u0E01\u0E33"}},
    {"a\u00A0b", {"a", "\u00A0b"}},
    {"a\302\205b", {"a", "\302\205b"}},
    {"\013\014x", {"\013", "\014x"}},
    {"\u180Ex", {"\u180Ex"}},
    {"\uFEFFx", {"\uFEFFx"}},
    {"\u200Bx", {"\u200Bx"}},
    {"\u2028\u2029y", {"\u2028", "\u2029y"}},
    {"\U0001F642\U0001F642 ok", {"\U0001F642\U0001F642", " ok"}},
    {"\000a\001 "sv, {"\000a"sv, "\001", " "}},
    {"_foo-bar", {"_foo", "-bar"}},
    {"$100.50", {"$", "1", "0", "0", ".", "5", "0"}},
    {" 7", {" ", "7"}},
    {".\n \n.", {".\n", " \n", "."}},
    {"'\n's", {"'\n", "'s"}},
    // clang-format on
};

}  // namespace

BOOST_AUTO_TEST_SUITE(text_pre_tokenizer)

BOOST_AUTO_TEST_CASE(pieces_are_those_of_the_expression) {
  for (const Case& c : cases) {
    BOOST_TEST_CONTEXT("text \"" << c.text << "\"") {
      BOOST_TEST(pieces_of(c.text) == c.pieces, boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(pieces_cover_the_text) {
  std::string text;
  for (const Case& c : cases) text += c.text;
  std::string together;
  for (const std::string_view piece : pieces_of(text)) {
    BOOST_TEST(!piece.empty());
    together += piece;
  }
  BOOST_TEST(together == text);
  BOOST_TEST(pieces_of("").empty());
}

BOOST_AUTO_TEST_CASE(long_runs_are_one_piece) {
  for (const char c : {'a', ' ', '\n', '!'}) {
    const std::string run(100000, c);
    BOOST_TEST(pieces_of(run).size() == 1u);
  }
}

BOOST_AUTO_TEST_SUITE_END()
