// What an image costs, from its header.
#include <boost/test/unit_test.hpp>

#include <string>

#include <vlm/vision/image_cost.hpp>

namespace {

const std::string folder = "tests/golden/images/";

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_image_cost)

BOOST_AUTO_TEST_CASE(tokens_and_bytes) {
  const vlm::ImageCost cost = vlm::image_cost(3000, 4000, {});
  BOOST_TEST((cost.resized == vlm::ImageSize{3008, 4000}));
  BOOST_TEST((cost.grid == vlm::Grid{1, 188, 250}));
  BOOST_TEST(cost.tokens == 11750);
  BOOST_TEST(cost.row_bytes == 188 * 250 * 1536 * 4);
  BOOST_TEST(cost.decoded_bytes == 0);
}

BOOST_AUTO_TEST_CASE(tiny_images_grow) {
  BOOST_TEST(vlm::image_cost(1, 1, {}).tokens == 64);
  BOOST_TEST(vlm::image_cost(1, 200, {}).tokens == 114);
  BOOST_TEST(vlm::image_cost(31, 17, {}).tokens == 66);
}

BOOST_AUTO_TEST_CASE(what_decoding_holds) {
  const auto held = [](const char* file) { return vlm::image_cost(folder + file, {}).decoded_bytes; };
  BOOST_TEST(held("photo_420.jpg") == 0);
  BOOST_TEST(held("progressive.jpg") == 4 * 229 * 317);
  BOOST_TEST(held("turned_6.jpg") == 4 * 43 * 61);
  BOOST_TEST(held("rgb.png") == 0);
  BOOST_TEST(held("interlaced.png") == 4 * 41 * 53);
  BOOST_TEST(held("lossy.webp") == 4 * 211 * 307);
  BOOST_TEST(held("interlaced.gif") == 4 * 83 * 119);
}

BOOST_AUTO_TEST_CASE(refused_before_decoding) {
  BOOST_CHECK_THROW(vlm::image_cost(60000, 60000, {}), vlm::DataError);
  BOOST_CHECK_THROW(vlm::image_cost(1, 201, {}), vlm::DataError);
  BOOST_CHECK_THROW(vlm::image_cost(folder + "results.json", {}), vlm::DataError);
}

BOOST_AUTO_TEST_SUITE_END()
