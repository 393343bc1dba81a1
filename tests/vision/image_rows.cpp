// Rows of images in memory; turned rows stand in tests/vision/orientation.cpp.
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <vlm/vision/image_rows.hpp>

namespace {

vlm::Image pattern(vlm::Index height, vlm::Index width) {
  vlm::Image image(height, width);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(i * 7 + 1);
  return image;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_image_rows)

BOOST_AUTO_TEST_CASE(rows_in_portions) {
  const vlm::Image image = pattern(5, 3);
  vlm::RowsOfImage rows(image);
  std::vector<std::uint8_t> pixels(5 * 16, 9);
  rows.read(pixels.data(), 2, 16);
  rows.read(pixels.data() + 32, 3, 16);
  for (vlm::Index y = 0; y < 5; ++y)
    for (vlm::Index x = 0; x < 3; ++x)
      for (vlm::Index c = 0; c < 3; ++c)
        BOOST_TEST(pixels[static_cast<std::size_t>(16 * y + 4 * x + c)] == image.at(y, x)[c]);
  BOOST_TEST(pixels[12] == 9);  // what lies between rows is left alone
}

BOOST_AUTO_TEST_CASE(all_rows_make_the_image) {
  const vlm::Image image = pattern(37, 4);  // more rows than are read at once
  vlm::RowsOfImage rows(image);
  BOOST_TEST((vlm::read_all(rows, "x") == image));
}

BOOST_AUTO_TEST_CASE(grey_is_repeated) {
  const std::uint8_t grey[] = {7, 250, 9, 8};
  vlm::RowsOfGrey rows(2, 2, grey);
  const vlm::Image image = vlm::read_all(rows, "x");
  const std::vector<int> expected = {7, 7, 7, 250, 250, 250, 9, 9, 9, 8, 8, 8};
  BOOST_TEST(std::vector<int>(image.pixels.begin(), image.pixels.end()) == expected,
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(rows_of_pixels) {
  vlm::RowsOfPixels::Pixels pixels(24);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i);
  vlm::RowsOfPixels rows(3, 2, std::move(pixels));
  const vlm::Image image = vlm::read_all(rows, "x");
  BOOST_TEST(image.at(0, 1)[0] == 4);
  BOOST_TEST(image.at(2, 1)[2] == 22);
}

BOOST_AUTO_TEST_SUITE_END()
