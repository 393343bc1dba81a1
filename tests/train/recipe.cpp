#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstdint>
#include <string>

#include <vlm/train/recipe.hpp>

using vlm::Recipe;

namespace {

Recipe fine() { return {.start = "start", .data = {{"data.jsonl"}}, .out = "out"}; }

std::string complaint(const Recipe& recipe) {
  try {
    vlm::check_recipe(recipe);
  } catch (const vlm::ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(train_recipe)

BOOST_AUTO_TEST_CASE(a_fine_recipe_passes) { BOOST_TEST(complaint(fine()) == ""); }

BOOST_AUTO_TEST_CASE(the_first_bad_setting_is_named) {
  Recipe recipe = fine();
  recipe.steps = 0;
  BOOST_TEST(complaint(recipe) ==
             "vlm::ConfigError [recipe]\n  setting   steps\n  expected  1 or more\n  got       0"
             "\n  try       a value of those, or leaving the setting out");
  recipe = fine();
  recipe.learning_rate = -1;
  BOOST_TEST(complaint(recipe).find("learning_rate") != std::string::npos);
  recipe = fine();
  recipe.data.clear();
  BOOST_TEST(complaint(recipe).find("setting   data") != std::string::npos);
  recipe = fine();
  recipe.out = "";
  BOOST_TEST(complaint(recipe).find("setting   out") != std::string::npos);
  recipe = fine();
  recipe.learning_rate = std::nan("");
  BOOST_TEST(complaint(recipe).find("learning_rate") != std::string::npos);
  recipe = fine();
  recipe.validate_every = 5;
  BOOST_TEST(complaint(recipe) ==
             "vlm::ConfigError [recipe]\n  setting   validation\n"
             "  expected  a file of conversations, since validate_every is set\n  got       nothing"
             "\n  try       setting it in the recipe");
  recipe = fine();
  recipe.parts.encoder.learning_rate = -1e-6;
  BOOST_TEST(complaint(recipe).find("setting   parts.encoder.learning_rate\n") != std::string::npos);
  recipe = fine();
  recipe.seed = std::uint64_t{1} << 63;
  BOOST_TEST(complaint(recipe).find("setting   seed\n") != std::string::npos);
  recipe = fine();
  recipe.checkpoints_kept = 0;
  BOOST_TEST(complaint(recipe).find("setting   checkpoints_kept\n  expected  1 or more\n") !=
             std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
