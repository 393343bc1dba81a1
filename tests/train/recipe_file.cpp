#include <boost/test/unit_test.hpp>

#include <string>

#include <vlm/core/config.hpp>
#include <vlm/train/recipe_file.hpp>
#if !VLM_COMPILED
#include <vlm/io/json_definitions.hpp>
#endif

#include "message_of.hpp"
#include "temporary_folder.hpp"

using namespace vlm;

namespace {

struct RecipeFile {
  TemporaryFolder folder;
  std::string path = folder.path + "/recipe.json";

  Recipe load(std::string_view text) const {
    write_file_atomically(path, text);
    return Recipe::load(path);
  }
  std::string complaint(std::string_view text) const {
    return message_of([&] { load(text); });
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(train_recipe_file, RecipeFile)

// The example of docs/stages.md is read, and its table names every setting, or the object that holds it.
BOOST_AUTO_TEST_CASE(the_document_tells_of_every_setting) {
  const std::string document = read_file("docs/stages.md"), opening = "```json\n";
  const std::size_t begin = document.find(opening) + opening.size();
  const Recipe recipe = load(document.substr(begin, document.find("```", begin) - begin));
  BOOST_TEST(recipe.steps == 1000);
  BOOST_TEST(recipe.data.at(1).weight == 0.5);
  BOOST_TEST(recipe.parts.encoder.learning_rate.value() == 2e-6);
  detail::for_each_setting(recipe, [&](std::string_view name, const auto&, detail::OnResume) {
    const std::string first(name.substr(0, name.find('.'))), last(name.substr(name.rfind('.') + 1));
    for (const std::string& word : {first, last})
      BOOST_TEST(document.find("`" + word + "`") != document.npos, word);
  });
}

BOOST_AUTO_TEST_CASE(settings_under_their_names) {
  const Recipe recipe = load(R"({"start": "model", "data": ["a.jsonl", {"path": "b.jsonl", "weight": 0.5,
    "format": "sharegpt", "media": "pictures", "question": "What?", "skip_bad_lines": true}],
    "out": "run", "validation": "held-out.jsonl", "steps": 7, "learning_rate": 1e-5, "rate_shape": "linear",
    "adamw": {"beta2": 0.999, "decay_vectors": true}, "balance_scope": "micro-batch", "seed": 9,
    "parts": {"encoder": {"learning_rate": 1e-6}, "merger": {"decay": 0}}, "quiet": true, "loader_threads": 3})");
  BOOST_TEST(recipe.start == "model");
  BOOST_REQUIRE_EQUAL(recipe.data.size(), 2u);
  BOOST_TEST(recipe.data[0].path == "a.jsonl");
  BOOST_TEST(recipe.data[0].weight == 1.0);
  BOOST_TEST(recipe.data[1].path == "b.jsonl");
  BOOST_TEST(recipe.data[1].weight == 0.5);
  BOOST_TEST((recipe.data[1].format == RecordFormat::ShareGpt));
  BOOST_TEST(recipe.data[1].media == "pictures");
  BOOST_TEST(recipe.data[1].question == "What?");
  BOOST_TEST((recipe.data[1].bad_line == Unusable::Skip));
  BOOST_TEST((recipe.data[0].bad_line == Unusable::Refuse));
  BOOST_TEST(recipe.validation == "held-out.jsonl");
  BOOST_TEST(recipe.steps == 7);
  BOOST_TEST(recipe.learning_rate == 1e-5);
  BOOST_TEST((recipe.rate_shape == RateShape::Linear));
  BOOST_TEST(recipe.adamw.beta1 == AdamWSettings{}.beta1);
  BOOST_TEST(recipe.adamw.beta2 == 0.999);
  BOOST_TEST(recipe.adamw.decay_vectors);
  BOOST_TEST((recipe.balance_scope == BalanceScope::MicroBatch));
  BOOST_TEST(recipe.seed == 9u);
  BOOST_TEST(recipe.parts.encoder.learning_rate.value() == 1e-6);
  BOOST_TEST(!recipe.parts.encoder.decay);
  BOOST_TEST(recipe.parts.merger.decay.value() == 0.0);
  BOOST_TEST(recipe.parts.decoder.empty());
  BOOST_TEST(recipe.quiet);
  BOOST_TEST(recipe.loader_threads == 3);
  BOOST_TEST(recipe.threads == 0);
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read_again) {
  Recipe recipe{.start = "model", .data = {{"a.jsonl", 0.25}}, .out = "run"};
  recipe.balance = 0.1f;
  recipe.adamw.eps = 1e-9;
  recipe.rate_shape = RateShape::Constant;
  recipe.parts.head.learning_rate = 0.3;
  const std::string text = write_json(recipe_json(recipe), 2);
  const Recipe again = load(text);
  BOOST_TEST(write_json(recipe_json(again), 2) == text);
  BOOST_TEST(again.balance == 0.1f);
  BOOST_TEST(again.parts.head.learning_rate.value() == 0.3);
  BOOST_TEST(!again.parts.head.decay);
}

BOOST_AUTO_TEST_CASE(an_unknown_name_is_an_error) {
  BOOST_TEST(complaint(R"({"steps": 5, "adamw": {"beta3": 0.9}})") ==
             "vlm::ConfigError [recipe]\n"
             "  file      " +
                 path +
                 "\n"
                 "  setting   adamw.beta3\n"
                 "  expected  a setting of a recipe\n"
                 "  got       one that it does not have\n"
                 "  try       the names in include/vlm/train/recipe.hpp");
  BOOST_TEST(complaint(R"({"stepps": 5})").find("setting   stepps\n") != std::string::npos);
  BOOST_TEST(complaint(R"({"adam": {}})").find("setting   adam\n") != std::string::npos);
  BOOST_TEST(complaint(R"({"data": [{"path": "a", "share": 1}]})").find("setting   data[0].share\n") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_value_of_another_kind_names_file_and_setting) {
  BOOST_TEST(complaint(R"({"parts": {"encoder": {"decay": "none"}}})") ==
             "vlm::ConfigError [json-type]\n"
             "  file      " +
                 path +
                 "\n"
                 "  at        parts.encoder.decay\n"
                 "  expected  a number\n"
                 "  got       a string: \"none\"\n"
                 "  try       correct this value");
  BOOST_TEST(complaint(R"({"adamw": 1})").find("at        adamw\n") != std::string::npos);
  BOOST_TEST(complaint(R"([])").find("expected  an object") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_value_that_cannot_be_names_file_and_setting) {
  BOOST_TEST(complaint(R"({"warm_up": -1})") ==
             "vlm::ConfigError [recipe]\n"
             "  file      " +
                 path +
                 "\n"
                 "  setting   warm_up\n"
                 "  expected  0 or more steps\n"
                 "  got       -1"
                 "\n  try       a value of those, or leaving the setting out");
  BOOST_TEST(complaint(R"({"rate_shape": "cosinus"})") ==
             "vlm::ConfigError [recipe]\n"
             "  file      " +
                 path +
                 "\n"
                 "  setting   rate_shape\n"
                 "  expected  one of cosine, linear, constant\n"
                 "  got       cosinus"
                 "\n  try       a value of those, or leaving the setting out");
  BOOST_TEST(complaint(R"({"seed": -1})").find("expected  an integer from 0 to 9223372036854775807\n") !=
             std::string::npos);
  BOOST_TEST(complaint(R"({"steps": 1)").find("[json-syntax]") != std::string::npos);
}

// What may not change while a run is resumed, and what may.
BOOST_AUTO_TEST_CASE(a_resumed_recipe_is_compared) {
  Recipe recipe{.start = "model", .data = {{"a.jsonl"}}, .out = "run"};
  const Json saved = parse_json(write_json(recipe_json(recipe)), "trainer.json");
  recipe.threads = recipe.loader_threads = 4;
  recipe.out = "moved";
  check_resumed_recipe(saved, recipe, "moved/checkpoint-2");
  recipe.parts.encoder.decay = 0.5;
  BOOST_TEST(message_of([&] { check_resumed_recipe(saved, recipe, "moved/checkpoint-2"); }) ==
             "vlm::ConfigError [resume-recipe]\n"
             "  folder    moved/checkpoint-2\n"
             "  setting   parts.encoder.decay\n"
             "  expected  null, as in the run that is resumed\n"
             "  got       0.5\n"
             "  try       the recipe of that run, or another `out`");
}

BOOST_AUTO_TEST_SUITE_END()
