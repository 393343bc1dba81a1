// Which pixels are coloured.
#include <boost/test/unit_test.hpp>

#include <limits>
#include <string>

#include <vlm/vision/draw.hpp>

namespace {

constexpr vlm::Colour red = {255, 0, 0};

// One letter per pixel: "." black, "#" red, "o" white.
std::string picture(const vlm::Image& image) {
  std::string text;
  for (vlm::Index y = 0; y < image.height; ++y) {
    for (vlm::Index x = 0; x < image.width; ++x)
      text += image.at(y, x)[0] == 0 ? '.' : image.at(y, x)[1] == 0 ? '#' : 'o';
    text += '\n';
  }
  return text;
}

std::string box(const vlm::Box& box, vlm::Index stroke = 1) {
  vlm::Image image(4, 6);
  vlm::draw_box(image, box, red, stroke);
  return picture(image);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_draw)

BOOST_AUTO_TEST_CASE(outlines) {
  BOOST_TEST(box({1, 0, 5, 4}) ==
             ".####.\n"
             ".#..#.\n"
             ".#..#.\n"
             ".####.\n");
  BOOST_TEST(box({0, 0, 6, 4}, 2) ==
             "######\n"
             "######\n"
             "######\n"
             "######\n");
  BOOST_TEST(box({1.5, 1.5, 1.6, 1.6}) ==
             "......\n"
             ".#....\n"
             "......\n"
             "......\n");
  BOOST_TEST(box({3, 2, 100, 100}) ==
             "......\n"
             "......\n"
             "...###\n"
             "...###\n");
}

BOOST_AUTO_TEST_CASE(outside_is_not_drawn) {
  const std::string empty = picture(vlm::Image(4, 6));
  const double infinity = std::numeric_limits<double>::infinity();
  BOOST_TEST(box({-9, -9, -1, -1}) == empty);
  BOOST_TEST(box({7, 0, 9, 3}) == empty);
  BOOST_TEST(box({0, 0, 6, 4}, 0) == empty);
  BOOST_TEST(box({-infinity, -infinity, infinity, infinity}).find('#') == 0u);
  vlm::Image image(4, 6);
  vlm::draw_point(image, {-1, 2}, red, 1);
  vlm::draw_point(image, {2, std::numeric_limits<double>::quiet_NaN()}, red, 1);
  BOOST_TEST(picture(image) == empty);
}

BOOST_AUTO_TEST_CASE(points) {
  vlm::Image image(5, 6);
  vlm::draw_point(image, {2.5, 2.5}, red, 1);
  BOOST_TEST(picture(image) ==
             "..o...\n"
             ".o#o..\n"
             "o###o.\n"
             ".o#o..\n"
             "..o...\n");
  vlm::Image corner(2, 2);
  vlm::draw_point(corner, {2, 2}, red, 0);
  BOOST_TEST(picture(corner) == ".o\no#\n");
}

BOOST_AUTO_TEST_CASE(equal_labels_have_equal_colours) {
  vlm::Image image(10, 30);
  const vlm::Grounding grounding{.boxes = {{0, 0, 10, 10, "a"}, {10, 0, 20, 10, "b"}, {20, 0, 30, 10, "a"}},
                                 .points = {},
                                 .spans = {},
                                 .problems = {}};
  vlm::draw(image, grounding);
  const auto colour = [&](vlm::Index x) {
    return vlm::Colour{image.at(0, x)[0], image.at(0, x)[1], image.at(0, x)[2]};
  };
  BOOST_TEST((colour(0) == vlm::distinct_colours[0]));
  BOOST_TEST((colour(10) == vlm::distinct_colours[1]));
  BOOST_TEST((colour(20) == vlm::distinct_colours[0]));
}

BOOST_AUTO_TEST_SUITE_END()
