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

// Which pixels of a column or a row have the colour of the first label: "3-12", or "none".
std::string range_of(const vlm::Image& image, bool rows) {
  vlm::Index first = -1, last = -1;
  for (vlm::Index y = 0; y < image.height; ++y)
    for (vlm::Index x = 0; x < image.width; ++x)
      if (vlm::Colour{image.at(y, x)[0], image.at(y, x)[1], image.at(y, x)[2]} == vlm::distinct_colours[0]) {
        const vlm::Index place = rows ? y : x;
        first = first < 0 || place < first ? place : first;
        last = place > last ? place : last;
      }
  return first < 0 ? "none" : std::to_string(first) + "-" + std::to_string(last);
}

BOOST_AUTO_TEST_CASE(labels_of_boxes) {
  const auto label = [](const vlm::Box& box) {
    vlm::Image image(40, 50);
    vlm::draw_label(image, box, vlm::distinct_colours[0], 1);
    return range_of(image, true) + " " + range_of(image, false);
  };
  BOOST_TEST(label({5, 20, 30, 35, "cat"}) == "10-19 5-23");    // above
  BOOST_TEST(label({5, 4, 30, 35, "cat"}) == "4-13 5-23");      // inside
  BOOST_TEST(label({40, 20, 50, 35, "cat"}) == "10-19 31-49");  // moved to the left
  BOOST_TEST(label({5, 20, 30, 35, "a long sentence"}) == "10-19 0-49");
  BOOST_TEST(label({5, 20, 30, 35}) == "none none");
}

BOOST_AUTO_TEST_CASE(labels_of_points) {
  const auto label = [](const vlm::Point& point) {
    vlm::Image image(40, 50);
    vlm::draw_label(image, point, vlm::distinct_colours[0], 4, 1);
    return range_of(image, true) + " " + range_of(image, false);
  };
  BOOST_TEST(label({10, 20, "cat"}) == "15-24 14-32");
  BOOST_TEST(label({40, 20, "cat"}) == "15-24 17-35");
  BOOST_TEST(label({10, 0, "cat"}) == "0-9 14-32");
  BOOST_TEST(label({10, 40, "cat"}) == "30-39 14-32");
}

BOOST_AUTO_TEST_CASE(one_colour) {
  vlm::Image image(40, 50), two = image;
  const vlm::Grounding grounding{.boxes = {{0, 0, 10, 30, "a"}, {20, 0, 30, 30, "b"}},
                                 .points = {{40, 20, "c"}},
                                 .spans = {},
                                 .problems = {}};
  vlm::draw(image, grounding, vlm::distinct_colours[0]);
  vlm::draw(two, grounding);
  BOOST_TEST(range_of(image, false) == "0-43");
  BOOST_TEST(range_of(two, false) == "0-9");
}

BOOST_AUTO_TEST_CASE(spans_of_a_frame) {
  const vlm::Grounding grounding{
      .boxes = {}, .points = {}, .spans = {{1, 2.5, "a"}, {2, 4, "b"}, {9, 9}}, .problems = {}};
  const auto frame = [&](double time) {
    vlm::Image image(40, 90);
    vlm::draw_spans(image, grounding, time);
    return image;
  };
  BOOST_TEST((frame(0.5) == vlm::Image(40, 90)));
  BOOST_TEST(range_of(frame(1), true) == "30-39");
  BOOST_TEST(range_of(frame(2.5), true) == "30-39");
  BOOST_TEST(range_of(frame(3), true) == "none");
  vlm::Image expected(40, 90);
  vlm::draw_label(expected, "a 1.0-2.5 s", 30, 0, vlm::distinct_colours[0]);
  vlm::draw_label(expected, "b 2.0-4.0 s", 20, 0, vlm::distinct_colours[1]);
  BOOST_TEST((frame(2) == expected));
  vlm::Image unnamed(40, 90);
  vlm::draw_label(unnamed, "9.0-9.0 s", 30, 0, vlm::distinct_colours[2]);
  BOOST_TEST((frame(9) == unnamed));
}

BOOST_AUTO_TEST_SUITE_END()
