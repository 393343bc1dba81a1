#include <boost/test/unit_test.hpp>

#include <vlm/io/json_definitions.hpp>
#include <vlm/text/template_value.hpp>

#include <string>

using vlm::detail::TemplateProblem;
using vlm::detail::TemplateValue;

namespace {

TemplateValue value(const std::string& json) { return TemplateValue::from_json(vlm::parse_json(json, "")); }

}  // namespace

BOOST_AUTO_TEST_SUITE(text_template_value)

BOOST_AUTO_TEST_CASE(truth_is_pythons) {
  for (const char* json : {"null", "false", "0", "0.0", "\"\"", "[]", "{}"})
    BOOST_TEST(!value(json).truth(), json);
  for (const char* json : {"true", "-1", "0.5", "\" \"", "[0]", "{\"\": 0}"})
    BOOST_TEST(value(json).truth(), json);
  BOOST_TEST(!TemplateValue().truth());
  BOOST_TEST(TemplateValue::name_space({}).truth());
}

BOOST_AUTO_TEST_CASE(equality_is_pythons) {
  BOOST_TEST(value("1").equals(value("true")));
  BOOST_TEST(value("1").equals(value("1.0")));
  BOOST_TEST(!value("1").equals(value("\"1\"")));
  BOOST_TEST(!value("null").equals(TemplateValue()));
  BOOST_TEST(value("{\"a\": 1, \"b\": [2]}").equals(value("{\"b\": [2.0], \"a\": 1}")));
  BOOST_TEST(!value("[1, 2]").equals(value("[1]")));
}

BOOST_AUTO_TEST_CASE(printing) {
  BOOST_TEST(value("true").printed() == "True");
  BOOST_TEST(value("null").printed() == "None");
  BOOST_TEST(value("-3").printed() == "-3");
  BOOST_TEST(value("1.5").printed() == "1.5");
  BOOST_TEST(TemplateValue().printed() == "");
  BOOST_CHECK_THROW(value("[1]").printed(), TemplateProblem);
  BOOST_CHECK_THROW(TemplateValue().to_json(), TemplateProblem);
  const std::string json = R"({"a": [1, 2.5, "x", null, true], "b": {}})";
  BOOST_TEST(vlm::write_json(value(json).to_json(), -1) == json);
}

BOOST_AUTO_TEST_CASE(copies_of_a_namespace_are_one) {
  const TemplateValue first = TemplateValue::name_space({{"n", TemplateValue::integer(1)}}), second = first;
  second.set("n", TemplateValue::integer(2));
  second.set("m", TemplateValue::none());
  BOOST_TEST(first.find("n")->as_integer() == 2);
  BOOST_TEST(first.find("m") != nullptr);
}

BOOST_AUTO_TEST_CASE(strings_are_of_characters) {
  BOOST_TEST(vlm::detail::characters_of("n\u00E9\U0001F642").size() == 3u);
  using vlm::detail::is_python_space;
  BOOST_TEST(vlm::detail::stripped("\u3000 a \x1C", true, true, is_python_space) == "a");
  BOOST_TEST(vlm::detail::stripped(" a ", true, false, is_python_space) == "a ");
  BOOST_TEST(vlm::detail::stripped(" \n ", false, true, is_python_space) == "");
  for (const std::string_view text : {"n", "\u00E9", "\u732B", "\U0001F642"})
    BOOST_TEST(vlm::detail::last_character_of("a" + std::string(text)) == text);
  for (const std::string_view text : {"\x80", "\xC3", "\x80\x80\x80\x80\x80", "a\x80"})
    BOOST_TEST(vlm::detail::last_character_of(text).size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
