#include <boost/test/unit_test.hpp>

#include <vlm/io/json_definitions.hpp>
#include <vlm/text/template_parser.hpp>

#include <string>
#include <string_view>

namespace {

// What is refused, or "nothing".
std::string refused(const std::string& source) {
  try {
    vlm::detail::TemplateParser(source, "t").parse();
  } catch (const vlm::ConfigError& error) {
    const std::string_view text = error.what();
    const std::size_t got = text.find("got       ") + 10;
    return std::string(text.substr(got, text.find('\n', got) - got));
  }
  return "nothing";
}

std::string repeated(std::string_view text, int count) {
  std::string result;
  while (count-- > 0) result += text;
  return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_template_parser)

BOOST_AUTO_TEST_CASE(each_construct_is_refused_by_name) {
  const std::pair<const char*, const char*> cases[] = {
      {"{% raw %}x{% endraw %}", "the tag raw"},
      {"{% generation %}{% endgeneration %}", "the tag generation"},
      {"{% for x in y %}{% break %}{% endfor %}", "the tag break"},
      {"{% include 'a' %}", "the tag include"},
      {"{% for k, v in d %}{% endfor %}", "a loop with two names"},
      {"{% for x in y if x %}{% endfor %}", "a loop with a condition"},
      {"{% for x in y recursive %}{% endfor %}", "a recursive loop"},
      {"{% for x in y %}{% else %}{% endfor %}", "else of a loop"},
      {"{% set x %}y{% endset %}", "set without ="},
      {"{% set x, y = z %}", "a set of several names"},
      {"{% macro f(x=1) %}{% endmacro %}", "a default of a macro's parameter"},
      {"{% for x in y %}{% macro f() %}{% endmacro %}{% endfor %}", "a macro inside a loop"},
      {"{% macro f() %}{% macro g() %}{% endmacro %}{% endmacro %}", "a macro inside a macro"},
      {"{{ x | map('y') }}", "the filter map"},
      {"{{ x | tojson(indent=2) }}", "the filter tojson with arguments"},
      {"{{ x is divisibleby 3 }}", "the test divisibleby"},
      {"{{ x is string y }}", "the test string with an operand"},
      {"{{ x.items() }}", "the method items"},
      {"{{ x.__class__ }}", "the attribute __class__"},
      {"{{ x.split(',', 1) }}", "the method split with 2 arguments"},
      {"{{ x.startswith() }}", "the method startswith with 0 arguments"},
      {"{{ range(3) }}", "the function range"},
      {"{{ strftime_now('%Y') }}", "the function strftime_now"},
      {"{{ namespace(x) }}", "namespace of something other than names and values"},
      {"{{ f(x=1) }}", "an argument by name"},
      {"{{ x ~ y }}", "the operator ~"},
      {"{{ x * y }}", "the operator *"},
      {"{{ 1 < x < 3 }}", "a chain of comparisons"},
      {"{{ {'a': 1} }}", "a map in braces"},
      {"{{ (1, 2) }}", "a tuple"},
      {"{{ x[1:2:3:4] }}", "a slice of more than three parts"},
      {"{{ loop.previtem }}", "loop.previtem"},
      {"{{ loop }}", "loop by itself"},
      {"{{ x y }}", "\"y\" after an expression"},
      {"{{ }}", "an expression that ends early"},
      {"{% if x %}", "a tag without endif"},
      {"{% endif %}", "the tag endif"},
      {"{% if x %}{% endfor %}{% endif %}", "the tag endfor"},
      {"{% if x %}{% else %}{% elif y %}{% endif %}", "the tag elif"},
      {"{{ x.1 }}", "\"1\" in place of an attribute"},
      {"{{ x[0](1) }}", "a call of something other than a name"},
      {"{{ raise_exception }}", "raise_exception without a call"},
      {"{% %}", "the tag %}"},
  };
  for (const auto& [source, construct] : cases)
    BOOST_TEST(refused(source) == construct, source << ": " << refused(source));
}

BOOST_AUTO_TEST_CASE(sources_that_would_fill_the_stack) {
  BOOST_TEST(refused("{{ " + repeated("(", 100) + "1" + repeated(")", 100) + " }}") ==
             "an expression nested too deep");
  BOOST_TEST(refused("{{ " + repeated("not ", 100) + "1 }}") == "an expression nested too deep");
  BOOST_TEST(refused("{{ 1" + repeated(" + 1", 300) + " }}") ==
             "an expression of more than 400 words and signs");
  BOOST_TEST(refused(repeated("{% if x %}", 100)) == "tags nested more than 30 levels deep");
}

BOOST_AUTO_TEST_CASE(what_is_understood) {
  BOOST_TEST(refused("{% if a and not b or c in d %}{% elif x is not none %}{% else %}{% endif %}") ==
             "nothing");
  BOOST_TEST(
      refused("{% set ns.x = y[-1][::2].z | length - 1 %}{% for a in b[1:] %}{{ loop.first }}{% endfor %}") ==
      "nothing");
  BOOST_TEST(refused("{% macro f(a, b) %}{{ a.strip('x') }}{% endmacro %}{{ f(1) + 'a' 'b' }}") == "nothing");
}

BOOST_AUTO_TEST_SUITE_END()
