#include <vlm/infer/prompt.hpp>

#include <boost/test/unit_test.hpp>

#include "message_of.hpp"
#include "model/samples.hpp"

using namespace vlm;

namespace {

ModelConfig config_of(const char* name) {
  return ModelConfig::load(std::string("tests/golden/cases/") + name);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_prompt)

BOOST_AUTO_TEST_CASE(a_layout_has_the_positions_of_a_batch_and_names_every_cell) {
  const ModelConfig config = config_of("dense_04_image_video");
  const Sample sample = golden::draw_sample(config, "..v.i.i.", {{2, 4, 2}, {1, 2, 4}, {1, 4, 4}}, 5);
  const Prompt prompt = Prompt::of(sample, config);
  const PromptLayout layout = lay_out(prompt, config);
  Batch batch;
  batch.append(sample, config);
  for (int axis = 0; axis < 3; ++axis) BOOST_TEST((layout.axes[axis] == batch.axes[axis]));
  BOOST_TEST(layout.next_position == batch.next_positions.front());
  BOOST_REQUIRE(layout.cells.size() == sample.tokens.size());
  std::int32_t rows[3] = {};
  for (std::size_t i = 0; i < layout.cells.size(); ++i) {
    const Cell& cell = layout.cells[i];
    const std::int32_t number = layout.pictures[i];
    BOOST_TEST(cell.token == sample.tokens[i]);
    BOOST_TEST((number >= 0) == (cell.token == config.image_token || cell.token == config.video_token));
    if (number < 0) {
      BOOST_TEST(cell.row == -1);
      continue;
    }
    BOOST_TEST(cell.row == rows[number]++);
    BOOST_TEST((cell.picture ==
                (number < 2 ? prompt.images[static_cast<std::size_t>(number)] : prompt.videos[0]).key));
  }
  BOOST_TEST(rows[0] == 2);
  BOOST_TEST(rows[1] == 4);
  BOOST_TEST(rows[2] == 4);  // both steps of the clip
}

BOOST_AUTO_TEST_CASE(keys_are_of_values_and_grid) {
  const vlm::PatchRows rows(24, 0.5f);
  const Picture picture = Picture::of({1, 2, 4}, rows);
  BOOST_TEST((Picture::of({1, 2, 4}, rows).key == picture.key));
  BOOST_TEST(!(Picture::of({1, 4, 2}, rows).key == picture.key));
  BOOST_TEST(!(Picture::of({2, 2, 2}, rows).key == picture.key));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    vlm::PatchRows changed = rows;
    changed[i] = 0.50001f;
    BOOST_TEST(!(Picture::of({1, 2, 4}, changed).key == picture.key));
  }
}

BOOST_AUTO_TEST_CASE(prompts_that_do_not_fit_are_refused) {
  const ModelConfig config = config_of("dense_01_image");
  BOOST_TEST(message_of([&] { lay_out({}, config); }) ==
             "vlm::DataError [prompt]\n"
             "  expected  at least one token\n"
             "  got       none"
             "\n  try       a prompt with a message of the user");
  BOOST_TEST(message_of([&] { lay_out({{-1}, {}, {}}, config); }) ==
             "vlm::DataError [prompt]\n"
             "  expected  tokens from 0 to 100\n"
             "  got       -1"
             "\n  try       the tokenizer of this model");
  BOOST_CHECK_THROW(lay_out({{config.image_token}, {}, {}}, config), DataError);
  BOOST_CHECK_THROW(lay_out({{1}, {Picture::of({1, 2, 2}, {})}, {}}, config), DataError);
  // Grids, and rows as settings of other patches give them.
  const auto refused = [&](const Grid& grid, Index features, bool video) {
    const Picture picture =
        Picture::of(grid, vlm::PatchRows(static_cast<std::size_t>(grid.patches() * features)));
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(grid.visual_tokens(2)),
                                     video ? config.video_token : config.image_token);
    tokens.insert(tokens.begin(), config.vision_start_token);
    tokens.push_back(config.vision_end_token);
    Prompt prompt{tokens, {}, {}};
    (video ? prompt.videos : prompt.images).push_back(picture);
    const std::string message = message_of([&] { lay_out(prompt, config); });
    return message.substr(0, message.find('\n'));
  };
  const Index features = config.vision.patch_features();
  BOOST_TEST(refused({1, 2, 4}, features, false).find("DataError") == std::string::npos);
  BOOST_TEST(refused({1, 2, 4}, features - 1, false) == "vlm::DataError [patch-rows]");
  BOOST_TEST(refused({1, 2, 4}, features + 1, true) == "vlm::DataError [patch-rows]");
  BOOST_TEST(refused({2, 2, 4}, features, false) == "vlm::DataError [grid]");
  BOOST_TEST(refused({1, 3, 4}, features, false) == "vlm::DataError [grid]");
  BOOST_CHECK_THROW(lay_out({{1}, {Picture{{1, 2, 2}, nullptr, {}}}, {}}, config), DataError);
}

BOOST_AUTO_TEST_SUITE_END()
