#include <vlm/model/chunk.hpp>

#include <boost/test/unit_test.hpp>

#include "model/samples.hpp"

using namespace vlm;
using List = std::vector<std::int32_t>;

namespace {

struct Two {
  golden::Case test{"dense_04_image_video"};
  // Tokens: 2 of text, start, 6 of the image, end, 1 of text; then another sample: 1 of text, and for each of two steps
  // a timestamp, start, 4, end.
  Sample picture = golden::draw_sample(test.config, "..i.", {{1, 4, 6}}, 1),
         clip = golden::draw_sample(test.config, ".v", {{2, 4, 4}}, 2);
  Batch whole = golden::pack(test.config, {picture, clip}), chunk;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(model_chunk)

BOOST_FIXTURE_TEST_CASE(everything_is_one_chunk, Two) {
  cut_chunk(whole, 0, whole.token_count(), chunk);
  BOOST_TEST(chunk.tokens == whole.tokens, boost::test_tools::per_element());
  BOOST_TEST(chunk.offsets == whole.offsets, boost::test_tools::per_element());
  for (int axis = 0; axis < 3; ++axis)
    BOOST_TEST(chunk.axes[axis] == whole.axes[axis], boost::test_tools::per_element());
  BOOST_TEST(chunk.next_positions == whole.next_positions, boost::test_tools::per_element());
  BOOST_TEST(chunk.visual_places == whole.visual_places, boost::test_tools::per_element());
  BOOST_TEST(chunk.visual_rows.empty());
  BOOST_TEST(chunk.patches == whole.patches, boost::test_tools::per_element());
  BOOST_TEST(chunk.tables.offsets == whole.tables.offsets, boost::test_tools::per_element());
  BOOST_TEST(chunk.tables.corners == whole.tables.corners, boost::test_tools::per_element());
  BOOST_TEST(chunk.tables.weights == whole.tables.weights, boost::test_tools::per_element());
  BOOST_TEST(chunk.tables.cosine == whole.tables.cosine, boost::test_tools::per_element());
  BOOST_TEST(chunk.tables.sine == whole.tables.sine, boost::test_tools::per_element());
  BOOST_TEST(chunk.rows == whole.rows, boost::test_tools::per_element());
  BOOST_TEST(chunk.targets == whole.targets, boost::test_tools::per_element());
  BOOST_TEST(chunk.weights == whole.weights, boost::test_tools::per_element());
}

// From inside the image to inside the second step of the clip.
BOOST_FIXTURE_TEST_CASE(a_chunk_begins_and_ends_inside_pictures, Two) {
  cut_chunk(whole, 5, 22, chunk);
  BOOST_TEST(chunk.token_count() == 17);
  BOOST_TEST(chunk.offsets == (List{0, 6, 17}), boost::test_tools::per_element());
  BOOST_TEST(chunk.visual_places == (List{0, 1, 2, 3, 9, 10, 11, 12, 16}), boost::test_tools::per_element());
  BOOST_TEST(chunk.visual_rows == (List{2, 3, 4, 5, 6, 7, 8, 9, 10}), boost::test_tools::per_element());
  BOOST_TEST(chunk.tables.offsets == (List{0, 24, 40, 56}), boost::test_tools::per_element());
  BOOST_TEST(chunk.patches == whole.patches, boost::test_tools::per_element());
  BOOST_TEST(chunk.axes[0].front() == whole.axes[0][5]);
}

BOOST_FIXTURE_TEST_CASE(pictures_outside_are_left_out, Two) {
  cut_chunk(whole, 10, 13, chunk);
  BOOST_TEST(chunk.visual_places.empty());
  BOOST_TEST(chunk.patches.empty());
  BOOST_TEST(chunk.patch_count() == 0);
  BOOST_TEST(chunk.offsets == (List{0, 1, 3}), boost::test_tools::per_element());
  cut_chunk(whole, 18, 22, chunk);  // the second step alone, its first row
  BOOST_TEST(chunk.patch_count() == 16);
  BOOST_TEST(chunk.visual_rows == (List{0}), boost::test_tools::per_element());
  cut_chunk(whole, 18, whole.token_count(), chunk);
  BOOST_TEST(chunk.visual_rows.empty());
  BOOST_TEST(chunk.visual_places == (List{3, 4, 5, 6}), boost::test_tools::per_element());
}

// The hidden rows of a picture's tokens without a cache: the first chunk is the beginning of the whole.
BOOST_FIXTURE_TEST_CASE(a_first_chunk_has_the_bits_of_the_whole, Two) {
  const golden::Run<Qwen3VL> run(test, 3);
  const std::vector<float> all = golden::hidden_rows(run.net, whole, false);
  for (const Index end : {2, 5, 9, 11}) {
    cut_chunk(whole, 0, end, chunk);
    const std::vector<float> rows = golden::hidden_rows(run.net, chunk, false);
    BOOST_TEST(golden::same_bits(rows, std::span(all).first(rows.size())), "up to " << end);
  }
}

BOOST_FIXTURE_TEST_CASE(a_part_of_a_picture_is_not_trained_on, Two) {
  golden::Run<Qwen3VL> run(test, 3);
  cut_chunk(whole, 0, 5, chunk);
  chunk.rows = {0};
  chunk.targets = {1};
  chunk.weights = {1};
  Runtime<Cpu> runtime(1);
  try {
    run.forward_and_backward(runtime, chunk);
    BOOST_FAIL("no error");
  } catch (const ShapeError& error) {
    BOOST_TEST(std::string(error.what()) ==
               "vlm::ShapeError [chunk-backward]\n  expected  a batch of whole pictures\n"
               "  got       a chunk that begins or ends inside a picture\n"
               "  try       train on whole samples; chunks are for prefill");
  }
}

BOOST_AUTO_TEST_SUITE_END()
