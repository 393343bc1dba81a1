#include <boost/test/unit_test.hpp>

#include <vlm/io/json.hpp>
#include <vlm/io/json_definitions.hpp>

#include <bit>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>  // after ours, which has included parts of it
#include <string>
#include <string_view>
#include <vector>

#include <vlm/core/random.hpp>

#include "message_of.hpp"

using vlm::Json;
using vlm::parse_json;
using vlm::write_json;

namespace {

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

}  // namespace

BOOST_AUTO_TEST_SUITE(io_json)

BOOST_AUTO_TEST_CASE(values_keep_their_kinds_and_order) {
  const Json json = parse_json(R"({"z": [null, true, -3, 2.0, "x"], "a": {}})", "d.json");
  BOOST_TEST(json.members()[0].first == "z");
  BOOST_TEST(json.members()[1].first == "a");
  const Json& list = json.at("z");
  BOOST_TEST(list.at(0).is_null());
  BOOST_TEST(list.at(1).boolean());
  BOOST_TEST(list.at(2).integer() == -3);
  BOOST_TEST(list.at(2).number() == -3.0);
  BOOST_TEST(list.at(3).is_number());
  BOOST_TEST(!list.at(3).is_integer());
  BOOST_TEST(list.at(4).string() == "x");
  BOOST_TEST(json.at("a").is_object());
  BOOST_TEST(json.find("b") == nullptr);
  BOOST_TEST(list.find("b") == nullptr);
}

BOOST_AUTO_TEST_CASE(integers_reach_to_64_bits_and_become_numbers_beyond) {
  BOOST_TEST(parse_json("9223372036854775807", "").integer() == std::numeric_limits<std::int64_t>::max());
  BOOST_TEST(parse_json("-9223372036854775808", "").integer() == std::numeric_limits<std::int64_t>::min());
  for (const char* text :
       {"9223372036854775808", "18446744073709551615", "1000000000000000019884624838656"}) {
    BOOST_TEST(!parse_json(text, "").is_integer());
    BOOST_TEST(parse_json(text, "").number() == std::stod(text));
  }
}

BOOST_AUTO_TEST_CASE(escapes_are_read) {
  BOOST_TEST(parse_json(R"("\u00e9\ud83d\ude00\n\"\\\/")", "").string() == "\xc3\xa9\xf0\x9f\x98\x80\n\"\\/");
  BOOST_TEST(parse_json(R"("a\u0000b")", "").string() == std::string("a\0b", 3));
}

BOOST_AUTO_TEST_CASE(broken_text_is_reported_with_its_place) {
  struct Case {
    std::string_view text, at, expected, got;
  };
  using namespace std::literals;
  const Case cases[] = {
      {"", "line 1, column 1", "'[', '{', or a literal", "unexpected end of input"},
      {"{\"a\": 1,\n \"b\" 2}", "line 2, column 6", "':'", "unexpected number literal"},
      {"[1, 2", "line 1, column 5", "']'", "unexpected end of input"},
      {"[1, 2,]", "line 1, column 7", "'[', '{', or a literal", "unexpected ']'"},
      {"{} {}", "line 1, column 4", "end of input", "unexpected '{'"},
      {"{}\0"sv, "line 1, column 3", "text", "a zero byte"},
      {"[1e999]", "line 1, column 6", "JSON in UTF-8", "number overflow parsing '1e999'"},
      {"[\"\xff\"]", "line 1, column 3", "JSON in UTF-8",
       "invalid string: ill-formed UTF-8 byte; last read: '\"?'"},
      {"[\"\xc3\xa9\", x]", "line 1, column 7", "JSON in UTF-8", "invalid literal; last read: '\"??\", x'"},
      {"[-]", "line 1, column 3", "digit after '-'", "invalid number; last read: '-]'"},
      {"[1 1.]", "line 1, column 6", "digit after '.'", "invalid number; last read: '1.]'"},
      {"[NaN]", "line 1, column 2", "JSON in UTF-8", "invalid literal; last read: '[N'"},
      {"// no\n1", "line 1, column 1", "JSON in UTF-8", "invalid literal; last read: '/'"},
      {"{\"a\": 1, \"b\": {\"a\": 2},\n  \"a\": 3}", "line 2, column 5", "each key once",
       "the key \"a\" again"},
      {"{\"k\": {\"a\": 1, \"\\u0061\": 2}}", "line 1, column 23", "each key once", "the key \"a\" again"},
  };
  for (const Case& wrong : cases) {
    BOOST_TEST(message_of([&] { parse_json(wrong.text, "d.json"); }) ==
               "vlm::FileError [json-syntax]\n  file      d.json\n  at        " + std::string(wrong.at) +
                   "\n  expected  " + std::string(wrong.expected) + "\n  got       " +
                   std::string(wrong.got) +
                   "\n  try       correct the text, or fetch the file again if it was cut short");
  }
}

BOOST_AUTO_TEST_CASE(other_broken_texts_are_refused) {
  for (const char* text :
       {"{", "{\"a\"", "tru", "01", "+1", "1.", ".5", "0x1", "'a'", "{a: 1}", "\"a\nb\"", "\"\\x\"",
        "\"\\ud800\"", "\"\xed\xa0\x80\"", "\"\xc0\x80\"", "\"open", "-", "]", "[1 2]"}) {
    BOOST_TEST_CONTEXT(text) { BOOST_CHECK_THROW(parse_json(text, "d.json"), vlm::FileError); }
  }
}

BOOST_AUTO_TEST_CASE(nesting_is_limited_to_256) {
  BOOST_TEST(write_json(parse_json(nested(256), "")) == nested(256));
  BOOST_TEST(message_of([] { parse_json(nested(257), "d.json"); }) ==
             "vlm::FileError [json-syntax]\n  file      d.json\n  at        line 1, column 257"
             "\n  expected  at most 256 levels of nesting\n  got       one more"
             "\n  try       correct the text, or fetch the file again if it was cut short");
  BOOST_CHECK_THROW(parse_json(std::string(1000000, '['), "d.json"), vlm::FileError);
}

BOOST_AUTO_TEST_CASE(a_wrong_type_is_reported_where_it_stands) {
  const Json json =
      parse_json(R"({"text_config": {"rope_scaling": {"mrope_section": [24, 20, "x"]}}})", "config.json");
  const Json& sections = json.at("text_config").at("rope_scaling").at("mrope_section");
  BOOST_TEST(message_of([&] { sections.at(2).integer(); }) ==
             "vlm::ConfigError [json-type]\n  file      config.json"
             "\n  at        text_config.rope_scaling.mrope_section[2]"
             "\n  expected  an integer\n  got       a string: \"x\"\n  try       correct this value");
  BOOST_TEST(message_of([&] { json.items(); }) ==
             "vlm::ConfigError [json-type]\n  file      config.json\n  at        top level"
             "\n  expected  an array\n  got       an object\n  try       correct this value");
  BOOST_TEST(message_of([] { Json(0.5).string(); }) ==
             "vlm::ConfigError [json-type]\n  expected  a string\n  got       a number: 0.5\n  try       "
             "correct this value");
}

// Long texts are cut between characters, so that the message is UTF-8 as its file is; numbers have the fewest digits that
// give them back.
BOOST_AUTO_TEST_CASE(what_stands_there_is_shown_readably) {
  const auto got = [](const std::string& text) {
    const std::string message = message_of([&] { parse_json(text, "d.json").items(); });
    const std::size_t first = message.find("got       ") + 10;
    return message.substr(first, message.find('\n', first) - first);
  };
  const std::string letters(59, 'a');
  BOOST_TEST(got("\"" + letters + "é\"") == "a string: \"" + letters + "...\"");
  BOOST_TEST(got("\"" + letters + "bé\"") == "a string: \"" + letters + "b...\"");
  BOOST_TEST(got("\"" + letters + "b\"") == "a string: \"" + letters + "b\"");
  BOOST_TEST(got("0.1") == "a number: 0.1");
  BOOST_TEST(got("1e300") == "a number: 1e+300");
}

BOOST_AUTO_TEST_CASE(every_typed_access_refuses_the_other_kinds) {
  const Json json = parse_json(R"([null, false, 1, 1.5, "s", [], {}])", "d.json");
  using Kind = Json::Kind;
  for (const Json& value : json.items()) {
    const auto check = [&](const auto& access, bool allowed) {
      BOOST_TEST((message_of(access) == "no error") == allowed, value.kind_name());
    };
    check([&] { (void)value.boolean(); }, value.kind() == Kind::Bool);
    check([&] { (void)value.integer(); }, value.kind() == Kind::Integer);
    check([&] { (void)value.number(); }, value.kind() == Kind::Integer || value.kind() == Kind::Number);
    check([&] { (void)value.string(); }, value.kind() == Kind::String);
    check([&] { (void)value.items(); }, value.kind() == Kind::Array);
    check([&] { (void)value.members(); }, value.kind() == Kind::Object);
  }
}

BOOST_AUTO_TEST_CASE(missing_members_and_elements_are_named) {
  const Json json = parse_json(R"({"a": {"list": [1]}})", "config.json");
  BOOST_TEST(
      message_of([&] { json.at("a").at("b"); }) ==
      "vlm::ConfigError [json-missing]\n  file      config.json\n  at        a.b\n  expected  a value"
      "\n  got       no member of this name\n  try       add it, or check that this is the right file");
  BOOST_TEST(
      message_of([&] { json.at("a").at("list").at(1); }) ==
      "vlm::ConfigError [json-missing]\n  file      config.json\n  at        a.list[1]\n  expected  a value"
      "\n  got       an array of length 1\n  try       add it, or check that this is the right file");
}

BOOST_AUTO_TEST_CASE(paths_quote_keys_that_have_dots) {
  const Json json = parse_json(R"({"weight_map": {"a.weight": [[7]]}})", "index.json");
  BOOST_TEST(json.at("weight_map").at("a.weight").at(0).at(0).path() == "weight_map[\"a.weight\"][0][0]");
  BOOST_TEST(json.at("weight_map").at("a.weight").document() == "index.json");
}

BOOST_AUTO_TEST_CASE(scalars_of_crowded_containers_carry_the_path_of_the_container) {
  std::string text = "{\"vocab\": [[5]";
  for (int i = 0; i < 1000; ++i) text += ",7";
  const Json json = parse_json(text + "]}", "t.json");
  const Json& vocabulary = json.at("vocab");
  BOOST_TEST(vocabulary.at(1000).path() == "vocab");
  BOOST_TEST(vocabulary.at(1000).document() == "t.json");
  BOOST_TEST(vocabulary.at(0).at(0).path() == "vocab[0][0]");
}

BOOST_AUTO_TEST_CASE(written_text_is_compact_indented_or_spaced) {
  const std::string_view compact = R"({"b":[1,2.5,"é\n\u0001"],"a":{},"c":[],"n":null,"t":true})";
  const Json json = parse_json(compact, "");
  BOOST_TEST(write_json(json) == compact);
  BOOST_TEST(write_json(json, -1) ==
             R"({"b": [1, 2.5, "é\n\u0001"], "a": {}, "c": [], "n": null, "t": true})");
  BOOST_TEST(write_json(parse_json(R"({"a":[1,{"b":2}],"c":[]})", ""), 2) ==
             "{\n  \"a\": [\n    1,\n    {\n      \"b\": 2\n    }\n  ],\n  \"c\": []\n}");
}

BOOST_AUTO_TEST_CASE(numbers_read_back_as_the_same_values) {
  for (double value : {0.1, 1.0, -0.0, 1e-5, 1e15, 1000000000000000.1, 1e22, 1.0 / 3, 123456789.0, 5e-324,
                       1.7976931348623157e308}) {
    const Json again = parse_json(write_json(Json(value)), "");
    BOOST_TEST((again.kind() == Json::Kind::Number));
    BOOST_TEST(again.number() == value);
    BOOST_TEST(std::signbit(again.number()) == std::signbit(value));
  }
  // As Python writes them.
  BOOST_TEST(write_json(Json(1e15)) == "1000000000000000.0");
  BOOST_TEST(write_json(Json(-1234567890123456.5)) == "-1234567890123456.5");
  BOOST_TEST(write_json(Json(1e16)) == "1e+16");
  BOOST_TEST(write_json(Json(1e-05)) == "1e-05");
  BOOST_TEST(write_json(Json(std::numeric_limits<std::int64_t>::min())) == "-9223372036854775808");
}

BOOST_AUTO_TEST_CASE(what_json_cannot_hold_is_not_written) {
  BOOST_TEST(message_of([] { write_json(Json(std::nan(""))); }) ==
             "vlm::ConfigError [json-type]\n  expected  a finite number\n  got       a number: nan"
             "\n  try       JSON cannot hold this value; leave it out or replace it");
  BOOST_TEST(message_of([] { write_json(Json("a\xff")); }) ==
             "vlm::ConfigError [json-type]\n  expected  text in UTF-8\n  got       \"a?\""
             "\n  try       JSON cannot hold this value; leave it out or replace it");
}

// The reader takes what nlohmann-json's own takes, but for keys that stand twice, and reads the same of it.
BOOST_AUTO_TEST_CASE(mutated_texts_are_read_as_the_whole_library_reads_them) {
  const std::vector<std::string> seeds = {
      R"({"a": [1, -2.5e3, true, null], "b": {"c": "\u00e9\n"}, "d": []})",
      R"([[], {}, "", 0, -0.0, 1E+2, {"x": {"y": [false]}}])", "  {\"é\": [18446744073709551615, 1e-7]}\r\n",
      "\xef\xbb\xbf[1]"};
  const std::string_view characters = "[]{}:,\"\\ \n0189.-+eEtruefalsnu/é\x7f\x01\xff";
  const vlm::Random random(1, 0);
  std::uint64_t draw = 0;
  const auto below = [&](std::size_t count) { return static_cast<std::size_t>(random.bits(draw++) % count); };
  int taken = 0, refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = seeds[below(seeds.size())];
    for (std::size_t edits = below(4); edits > 0; --edits) {
      const std::size_t at = below(text.size() + 1);
      const std::size_t kind = below(3);
      if (kind == 0 || at == text.size())
        text.insert(at, 1, characters[below(characters.size())]);
      else if (kind == 1)
        text.erase(at, 1 + below(3));
      else
        text[at] = characters[below(characters.size())];
    }
    const bool theirs = nlohmann::json::accept(text);
    std::string written;
    const std::string error = message_of([&] { written = write_json(parse_json(text, "")); });
    const bool twice = error.find("each key once") != std::string::npos;
    ++(theirs ? taken : refused);
    BOOST_REQUIRE_MESSAGE(theirs == (error == "no error" || twice), text << ": " << error);
    if (!theirs || twice) continue;
    const auto known = nlohmann::ordered_json::parse(text), again = nlohmann::ordered_json::parse(written);
    BOOST_REQUIRE_MESSAGE(known == again, text << " became " << written);
  }
  BOOST_TEST(taken > 3000);
  BOOST_TEST(refused > 3000);
}

BOOST_AUTO_TEST_CASE(texts_and_numbers_are_written_as_the_whole_library_writes_them) {
  const vlm::Random random(2, 0);
  std::uint64_t draw = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes;
    for (std::uint64_t size = random.bits(draw++) % 4; size > 0; --size) {
      const auto bits = random.bits(draw++);
      const auto lead = static_cast<char>(bits & 0xff);
      bytes += lead;
      if (bits & 0x100) bytes += static_cast<char>(0x80 | (bits >> 9 & 0x3f));
    }
    std::string theirs = "refused";
    try {
      theirs = nlohmann::json(bytes).dump();
    } catch (const nlohmann::json::type_error&) {
    }
    std::string ours = "refused";
    message_of([&] { ours = write_json(Json(bytes)); });
    BOOST_REQUIRE_EQUAL(ours, theirs);

    const auto number = std::bit_cast<double>(random.bits(draw++));
    const double size = std::fabs(number);
    if (std::isfinite(number) && (size < 1e15 || size >= 1e16))
      BOOST_REQUIRE_EQUAL(write_json(Json(number)), nlohmann::json(number).dump());
  }
}

BOOST_AUTO_TEST_CASE(documents_are_built_by_setting_and_appending) {
  Json json;
  json.set("a", 1);
  json.set("b", "x");
  json.set("a", 2.5);
  Json list;
  list.push_back(true);
  list.push_back(nullptr);
  json.set("c", std::move(list));
  BOOST_TEST(write_json(json) == R"({"a":2.5,"b":"x","c":[true,null]})");
  BOOST_CHECK_THROW(json.push_back(1), vlm::ConfigError);
  BOOST_CHECK_THROW(Json(1).set("a", 1), vlm::ConfigError);
}

BOOST_AUTO_TEST_SUITE_END()
