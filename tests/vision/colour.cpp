// Luminance, contrast, and text that can be read.
#include <boost/test/unit_test.hpp>

#include <cstdint>

#include <vlm/vision/colour.hpp>

namespace {

constexpr vlm::Colour black{0, 0, 0}, white{255, 255, 255};

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_colour)

BOOST_AUTO_TEST_CASE(contrasts) {
  const auto near = boost::test_tools::tolerance(1e-3);
  BOOST_TEST(vlm::luminance(black) == 0);
  BOOST_TEST(vlm::luminance(white) == 1.0, near);
  BOOST_TEST(vlm::luminance({255, 0, 0}) == 0.2126, near);
  BOOST_TEST(vlm::luminance({119, 119, 119}) == 0.1845, near);
  BOOST_TEST(vlm::contrast(black, white) == 21.0, near);
  BOOST_TEST(vlm::contrast(white, black) == 21.0, near);
  BOOST_TEST(vlm::contrast({119, 119, 119}, white) == 4.478, near);
  BOOST_TEST(vlm::contrast(white, white) == 1.0);
}

BOOST_AUTO_TEST_CASE(text_is_readable_on_any_colour) {
  BOOST_TEST((vlm::text_colour_on(white) == black));
  BOOST_TEST((vlm::text_colour_on(black) == white));
  BOOST_TEST((vlm::text_colour_on({240, 228, 66}) == black));
  BOOST_TEST((vlm::text_colour_on({0, 114, 178}) == white));
  for (int red = 0; red < 256; red += 15)
    for (int green = 0; green < 256; green += 15)
      for (int blue = 0; blue < 256; blue += 15) {
        const vlm::Colour colour{static_cast<std::uint8_t>(red), static_cast<std::uint8_t>(green),
                                 static_cast<std::uint8_t>(blue)};
        BOOST_REQUIRE(vlm::contrast(colour, vlm::text_colour_on(colour)) >= 4.5);
      }
}

BOOST_AUTO_TEST_SUITE_END()
