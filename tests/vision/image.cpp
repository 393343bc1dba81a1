// Images in memory and the limits on their sizes.
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <vlm/vision/draw.hpp>
#include <vlm/vision/image.hpp>
#include <vlm/vision/patches.hpp>
#include <vlm/vision/pnm.hpp>
#include <vlm/vision/resize.hpp>

namespace {

std::string message_of(vlm::Index height, vlm::Index width) {
  try {
    vlm::check_image_size(height, width, "x");
  } catch (const vlm::DataError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_image)

BOOST_AUTO_TEST_CASE(new_images_are_black) {
  const vlm::Image image(2, 3);
  BOOST_TEST(image.pixels == std::vector<std::uint8_t>(18), boost::test_tools::per_element());
  BOOST_TEST(image.at(1, 2) - image.at(0, 0) == 15);
  BOOST_CHECK_THROW(vlm::Image(0, 5), vlm::DataError);
}

BOOST_AUTO_TEST_CASE(size_limits) {
  BOOST_TEST(message_of(1, vlm::max_image_pixels) == "no error");
  BOOST_TEST(
      message_of(60000, 30000) ==
      "vlm::DataError [image-size]\n  image     x\n  expected  1 to 268435456 pixels\n"
      "  got       height 60000, width 30000\n  try       scale it to at most height 23170, width 11585");
  BOOST_TEST(message_of(9000000000000000000, 1) ==
             "vlm::DataError [image-size]\n  image     x\n  expected  1 to 268435456 pixels\n"
             "  got       height 9000000000000000000, width 1\n"
             "  try       scale it to at most height 49152000000000, width 1");
  BOOST_TEST(message_of(0, 5) ==
             "vlm::DataError [image-size]\n  image     x\n  expected  1 to 268435456 pixels\n"
             "  got       height 0, width 5");
  BOOST_CHECK_THROW(vlm::check_image_size(2, vlm::max_image_pixels / 2 + 1, "x"), vlm::DataError);
}

// A picture as a camera gives it, one byte a pixel.
BOOST_AUTO_TEST_CASE(images_have_three_bytes_a_pixel) {
  vlm::Image image(4, 6);
  vlm::check_image(image, "x");
  image.pixels.resize(24);
  std::string message;
  try {
    vlm::check_image(image, "x");
  } catch (const vlm::DataError& error) {
    message = error.what();
  }
  BOOST_TEST(message ==
             "vlm::DataError [image-pixels]\n  image     x\n"
             "  expected  72 bytes, three for each of 4 x 6 pixels\n  got       24 bytes\n"
             "  try       red, green and blue of each pixel, row after row");
  BOOST_CHECK_THROW(vlm::patchify(image, vlm::ImageSettings()), vlm::DataError);
  BOOST_CHECK_THROW(vlm::resize_bicubic(image, 2, 2), vlm::DataError);
  BOOST_CHECK_THROW(vlm::write_ppm("unwritten.ppm", image), vlm::DataError);
  BOOST_CHECK_THROW(vlm::draw(image, vlm::Grounding()), vlm::DataError);
  image.height = 0;
  BOOST_CHECK_THROW(vlm::check_image(image, "x"), vlm::DataError);
}

BOOST_AUTO_TEST_SUITE_END()
