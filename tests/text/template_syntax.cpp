#include <boost/test/unit_test.hpp>

#include <vlm/io/json_definitions.hpp>
#include <vlm/text/template_syntax.hpp>

#include <string>
#include <string_view>

using vlm::detail::TemplateScanner;
using vlm::detail::TemplateSegment;

namespace {

// Texts in quotes, tags as their tokens in brackets.
std::string scanned(std::string_view source) {
  std::string result;
  for (const TemplateSegment& segment : TemplateScanner(source, "t").scan()) {
    if (segment.kind == TemplateSegment::Kind::Text) {
      result += "'" + segment.text + "'";
      continue;
    }
    result += "[";
    for (std::size_t i = 0; i + 1 < segment.tokens.size(); ++i)
      result += (i == 0 ? "" : " ") + segment.tokens[i].text;
    result += "]";
  }
  return result;
}

std::string refused(std::string_view source) {
  try {
    TemplateScanner(source, "t").scan();
  } catch (const vlm::ConfigError& error) {
    const std::string_view text = error.what();
    const std::size_t at = text.find("line "), got = text.find("got       ") + 10;
    return std::string(text.substr(at, text.find('\n', at) - at)) + ": " +
           std::string(text.substr(got, text.find('\n', got) - got));
  }
  return "nothing";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_template_syntax)

BOOST_AUTO_TEST_CASE(texts_and_tags) {
  BOOST_TEST(scanned("a{{ b.c }}d") == "'a'[b . c]'d'");
  BOOST_TEST(scanned("a\n  {% if x %}\n b\n {%- endif -%} \n c\n") == "'a\n'[if x]' b'[endif]'c'");
  BOOST_TEST(scanned("{{ 'a}}b' }}{# c #}{{ \"\\\"\\u00e9\" }}") == "[a}}b][\"\u00E9]");
  BOOST_TEST(scanned("{{ a==b!=1 }}") == "[a == b != 1]");
  BOOST_TEST(scanned("{ % {x} }}") == "'{ % {x} }}'");
  BOOST_TEST(scanned("") == "");
}

BOOST_AUTO_TEST_CASE(what_is_not_understood) {
  BOOST_TEST(refused("a\n{%+ if x %}") == "line 2: the mark {%+");
  BOOST_TEST(refused("{{ x +}}") == "line 1: the mark +}}");
  BOOST_TEST(refused("{{ 1.5 }}") == "line 1: the number 1.");
  BOOST_TEST(refused("{{ x ? }}") == "line 1: the character \"?\"");
  BOOST_TEST(refused("{{ 'a }}") == "line 1: a string without an end");
  BOOST_TEST(refused("{{ '\\q' }}") == "line 1: the escape \\q");
  BOOST_TEST(refused("{{ a \n\n") == "line 2: a tag without }}");
  BOOST_TEST(refused("{# a") == "line 1: a comment without an end");
  BOOST_TEST(refused("{{ '\\ud800' }}") == "line 1: an escape of no character");
}

BOOST_AUTO_TEST_SUITE_END()
