#include <vlm/model/batch.hpp>

#include <boost/test/unit_test.hpp>
#include <string>

using namespace vlm;

namespace {

constexpr std::int32_t text = 7, start = 8, end = 9, image = 20, video = 21;

ModelConfig config() {
  ModelConfig c;
  c.text.vocabulary = 30;
  c.image_token = image;
  c.video_token = video;
  c.vision.features = 48;
  c.vision.heads = 3;
  c.vision.channels = 1;
  c.vision.patch_size = 1;
  c.vision.temporal_patch_size = 1;
  c.vision.positions = 36;
  return c;
}

using List = std::vector<std::int32_t>;

// Patch rows of one value, counting from `from`.
vlm::PatchRows counted(std::size_t count, float from) {
  vlm::PatchRows values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(from + static_cast<float>(i));
  return values;
}

Sample with_image() {
  Sample sample;
  sample.tokens = {text, text, start, image, image, image, image, image, image, end, text};
  sample.supervised = {1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1};
  sample.images = {{1, 4, 6}};
  sample.image_patches = counted(24, 100);
  return sample;
}
Sample plain() {
  Sample sample;
  sample.tokens = {1, 2, 3};
  sample.supervised = {1, 1, 1};
  return sample;
}

const std::string advice = "\n  try       prepare tokens and pictures for this model's config.json";

std::string refusal(const Sample& sample) {
  Batch batch;
  batch.append(plain(), config());
  std::string message = "no error";
  try {
    batch.append(sample, config());
  } catch (const DataError& error) {
    message = error.what();
    // The batch is as before.
    BOOST_TEST(batch.token_count() == 3);
    BOOST_TEST(batch.sample_count() == 1);
    BOOST_TEST(batch.patch_count() == 0);
    for (const auto& axis : batch.axes) BOOST_TEST(axis.size() == 3u);
    BOOST_TEST(batch.rows.size() == 2u);
  }
  return message;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_batch)

// Positions start anew with each sample, the tower has borders of its own, nothing is
// predicted across a border.
BOOST_AUTO_TEST_CASE(two_packed_samples) {
  Batch batch;
  batch.append(with_image(), config(), 0.5f);
  batch.append(plain(), config());
  BOOST_TEST(batch.axes[0] == (List{0, 1, 2, 3, 3, 3, 3, 3, 3, 6, 7, 0, 1, 2}),
             boost::test_tools::per_element());
  BOOST_TEST(batch.axes[1] == (List{0, 1, 2, 3, 3, 3, 4, 4, 4, 6, 7, 0, 1, 2}),
             boost::test_tools::per_element());
  BOOST_TEST(batch.axes[2] == (List{0, 1, 2, 3, 4, 5, 3, 4, 5, 6, 7, 0, 1, 2}),
             boost::test_tools::per_element());
  BOOST_TEST(batch.offsets == (List{0, 11, 14}), boost::test_tools::per_element());
  BOOST_TEST(batch.tables.offsets == (List{0, 24}), boost::test_tools::per_element());
  BOOST_TEST(batch.next_positions == (List{8, 3}), boost::test_tools::per_element());
  BOOST_TEST(batch.visual_places == (List{3, 4, 5, 6, 7, 8}), boost::test_tools::per_element());
  BOOST_TEST(batch.patches == counted(24, 100), boost::test_tools::per_element());
  // A token is predicted by the row before it; the first token of a sample by none.
  BOOST_TEST(batch.rows == (List{8, 9, 11, 12}), boost::test_tools::per_element());
  BOOST_TEST(batch.targets == (List{end, text, 2, 3}), boost::test_tools::per_element());
  BOOST_TEST(batch.weights == (std::vector<float>{0.5f, 0.5f, 1, 1}), boost::test_tools::per_element());
}

// All images of a sample, then all its videos; their places stand in the same order.
BOOST_AUTO_TEST_CASE(images_come_before_videos) {
  Sample sample;
  sample.tokens = {video, text, image, text, video};
  sample.images = {{1, 2, 2}};
  sample.videos = {{2, 2, 2}};
  sample.image_patches = counted(4, 0);
  sample.video_patches = counted(8, 50);
  Batch batch;
  batch.append(plain(), config());
  batch.append(sample, config());
  BOOST_TEST(batch.visual_places == (List{5, 3, 7}), boost::test_tools::per_element());
  BOOST_TEST(batch.patches[0] == 0.0f);
  BOOST_TEST(batch.patches[4] == 50.0f);
  BOOST_TEST(batch.tables.offsets == (List{0, 4, 8, 12}), boost::test_tools::per_element());
  BOOST_TEST(batch.rows.size() == 2u);  // no flags: nothing of the second sample is supervised
}

BOOST_AUTO_TEST_CASE(an_emptied_batch_is_like_a_new_one) {
  Batch used, fresh;
  used.append(with_image(), config());
  used.clear();
  BOOST_TEST(used.token_count() == 0);
  BOOST_TEST(used.sample_count() == 0);
  BOOST_TEST(used.patch_count() == 0);
  used.append(with_image(), config());
  fresh.append(with_image(), config());
  BOOST_TEST(used.axes[2] == fresh.axes[2]);
  BOOST_TEST(used.tables.offsets == fresh.tables.offsets);
  BOOST_TEST(used.tables.cosine == fresh.tables.cosine);
  BOOST_TEST(used.visual_places == fresh.visual_places);
  BOOST_TEST(used.targets == fresh.targets);
}

BOOST_AUTO_TEST_CASE(a_sample_that_does_not_fit_is_refused) {
  const auto changed = [](auto&& change) {
    Sample sample = with_image();
    change(sample);
    return refusal(sample);
  };
  BOOST_TEST(changed([](Sample&) {}) == "no error");
  BOOST_TEST(changed([](Sample& s) { s.tokens[0] = 30; }) ==
             "vlm::DataError [token]\n  expected  tokens from 0 to 29\n  got       30" + advice);
  BOOST_TEST(changed([](Sample& s) { s.tokens[10] = -1; }) ==
             "vlm::DataError [token]\n  expected  tokens from 0 to 29\n  got       -1" + advice);
  BOOST_TEST(
      changed([](Sample& s) { s.supervised.pop_back(); }) ==
      "vlm::DataError [supervised]\n  expected  a flag for each of 11 tokens, or none\n  got       10 flags" +
          advice);
  BOOST_TEST(changed([](Sample& s) { s.image_patches.pop_back(); }) ==
             "vlm::DataError [patch-rows]\n  expected  24 values of patch rows\n  got       23" + advice);
  BOOST_TEST(changed([](Sample& s) { s.image_patches.push_back(0); }) ==
             "vlm::DataError [patch-rows]\n  expected  24 values of patch rows\n  got       25" + advice);
  for (const Grid& grid :
       {Grid{2, 4, 6}, Grid{0, 4, 6}, Grid{1, 3, 8}, Grid{1, 8, 3}, Grid{1, -4, -6}, Grid{1, 0, 6}})
    BOOST_TEST(changed([&](Sample& s) { s.images[0] = grid; }) ==
               "vlm::DataError [grid]\n  expected  one frame in an image; rows and columns that are "
               "multiples of 2\n  got "
               "      " +
                   shape_text(std::array{grid.frames, grid.height, grid.width}) + advice);
  // Found while the positions are laid out.
  BOOST_TEST(changed([](Sample& s) { s.tokens[8] = text; }).starts_with("vlm::DataError [visual-tokens]\n"));
}

BOOST_AUTO_TEST_SUITE_END()
