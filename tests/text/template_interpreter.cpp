#include <boost/test/unit_test.hpp>

#include <vlm/io/json_definitions.hpp>
#include <vlm/text/template_interpreter.hpp>

#include <string>
#include <string_view>

#include "text/qwen3_vocabulary.hpp"

namespace {

const std::string goldens = "tests/golden/chat/";

std::string rendered(std::string_view source, const std::string& variables) {
  return vlm::TemplateProgram(source, "t.jinja").render(vlm::parse_json(variables, "v"));
}

// "expected X, got Y" of a DataError.
std::string problem_of(std::string_view source, const std::string& variables = "{}") {
  try {
    rendered(source, variables);
  } catch (const vlm::DataError& error) {
    const std::string_view text = error.what();
    const auto field = [text](std::string_view name) {
      const std::size_t at = text.find(name) + 10;
      return std::string(text.substr(at, text.find('\n', at) - at));
    };
    return field("expected  ") + "; " + field("got       ");
  }
  return "nothing";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_template_interpreter)

// Each line shows one construct, rendered by the reference.
BOOST_AUTO_TEST_CASE(constructs_as_the_reference_renders_them) {
  const auto lines = golden_lines(goldens + "templates.jsonl");
  const vlm::Json& variables = lines[0].at("variables");
  BOOST_TEST(lines.size() > 50u);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::string& source = lines[i].at("template").string();
    BOOST_TEST_CONTEXT(source) {
      BOOST_TEST(vlm::TemplateProgram(source, "t").render(variables) == lines[i].at("text").string());
    }
  }
}

// The template of the text models, which is not among the rules.
BOOST_AUTO_TEST_CASE(the_template_of_the_text_models) {
  const std::string source = vlm::read_file(goldens + "qwen3.jinja");
  const std::string chat =
      R"("messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"},
      {"role": "assistant", "content": "<think>\nt\n</think>\n\nA", "tool_calls": [{"name": "f", "arguments": {"x": 1}}]},
      {"role": "tool", "content": "42"}])";
  const std::string turns =
      "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n<think>\nt\n</"
      "think>\n\nA\n"
      "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call><|im_end|>\n"
      "<|im_start|>user\n<tool_response>\n42\n</tool_response><|im_end|>\n";
  BOOST_TEST(rendered(source, "{" + chat + "}") == turns);
  BOOST_TEST(rendered(source, "{\"add_generation_prompt\": true, \"enable_thinking\": false, " + chat +
                                  "}") == turns + "<|im_start|>assistant\n<think>\n\n</think>\n\n");
}

BOOST_AUTO_TEST_CASE(values_that_a_template_cannot_use) {
  BOOST_TEST(problem_of("{{ x.y }}") == "a value with the attribute y; an undefined value");
  BOOST_TEST(problem_of("{{ x.y }}", R"({"x": "s"})") == "a value with the attribute y; a string");
  BOOST_TEST(problem_of("{{ x.items }}", R"({"x": {}})") == "a member that is no method of maps; items");
  BOOST_TEST(problem_of("{{ x['keys'] }}", R"({"x": {}})") == "a member that is no method of maps; keys");
  BOOST_TEST(problem_of("{{ x + 1 }}", R"({"x": "s"})") ==
             "values of one kind for +; a string and an integer");
  BOOST_TEST(problem_of("{{ x > 1 }}", R"({"x": null})") ==
             "two numbers or two strings for >; none and an integer");
  BOOST_TEST(problem_of("{{ 1 in x }}", R"({"x": "s"})") == "a string for in; an integer");
  BOOST_TEST(problem_of("{{ 1 in x }}", R"({"x": 1})") == "a string, a list or a map after in; an integer");
  BOOST_TEST(problem_of("{{ x }}", R"({"x": [1]})") == "a string or a number to print; a list");
  BOOST_TEST(problem_of("{% for a in x %}{% endfor %}", R"({"x": null})") == "a list to walk through; none");
  BOOST_TEST(problem_of("{{ x.strip() }}", R"({"x": []})") == "a string for strip; a list");
  BOOST_TEST(problem_of("{{ 'a'.split('') }}") == "a separator to split by; an empty string");
  BOOST_TEST(problem_of("{{ x[::0] }}", R"({"x": []})") == "a step other than zero; 0");
  BOOST_TEST(problem_of("{{ x['a':] }}", R"({"x": []})") == "integers in a slice; a string");
  BOOST_TEST(problem_of("{{ x['a'] }}", R"({"x": []})") == "an integer as the place in a list; a string");
  BOOST_TEST(problem_of("{{ f(1) }}") == "a macro to call; f");
  BOOST_TEST(problem_of("{% macro f() %}{% endmacro %}{{ f(1) }}") == "at most 0 arguments of f; 1");
  BOOST_TEST(problem_of("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}") ==
             "macros that call each other at most 10 levels deep; more");
  for (const char* holds_itself :
       {"{% set ns.x = ns %}", "{% set ns.x = [ns] %}", "{% set ns = namespace(x=ns) %}"})
    BOOST_TEST(problem_of(std::string("{% set ns = namespace() %}") + holds_itself) ==
               "a value other than a namespace; a namespace");
  const std::string doubling =
      "{% set n = namespace(s='0123456789') %}{% for i in n.s %}{% for j in n.s %}"
      "{% set n.s = n.s + n.s %}{% endfor %}{% endfor %}";
  BOOST_TEST(problem_of(doubling) == "texts and lists up to 2^26 long; a longer one");
  BOOST_TEST(
      problem_of(
          "{% for a in x %}{% for b in x %}{% for c in x %}{% for d in x %}{% for e in x %}{% for f in x %}"
          "{% for g in x %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor "
          "%}",
          R"({"x": "aaaaaaaaaaaaaaaaaaaa"})") == "a template that ends within a million steps; more");
  BOOST_TEST(problem_of("{% set x.y = 1 %}", R"({"x": {}})") == "a namespace to set an attribute of; a map");
  BOOST_TEST(problem_of("{{ x | tojson }}") == "a value that JSON can hold; an undefined value");
  BOOST_TEST(problem_of("{{ x | tojson }}", R"({"x": 98765432109876543210})") ==
             "numbers within 64 bits; 9.876543210987654e+19");
  BOOST_TEST(problem_of("{{ raise_exception('no ' + 'roles') }}") ==
             "a conversation that the template takes; no roles");
}

BOOST_AUTO_TEST_CASE(an_error_names_the_line) {
  try {
    rendered("a\n{% if x %}\n{{ x.y.z }}\n{% endif %}", R"({"x": {"q": 1}})");
    BOOST_ERROR("no error");
  } catch (const vlm::DataError& error) {
    BOOST_TEST(error.what() ==
               std::string("vlm::DataError [chat-template]\n"
                           "  file      t.jinja\n"
                           "  at        line 3\n"
                           "  expected  a value with the attribute z\n"
                           "  got       an undefined value\n"
                           "  try       a conversation of the form that this template is written for"));
  }
}

BOOST_AUTO_TEST_SUITE_END()
