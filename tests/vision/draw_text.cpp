// Letters, what stands for others, edges, sizes and labels.
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <limits>
#include <set>
#include <string>
#include <string_view>

#include <vlm/vision/draw_text.hpp>

namespace {

using vlm::Index;

constexpr vlm::Colour red = {255, 0, 0}, blue = {0, 0, 255};

// One letter per pixel: "." black, "#" red, "b" blue, "o" white.
std::string picture(const vlm::Image& image) {
  std::string text;
  for (Index y = 0; y < image.height; ++y) {
    for (Index x = 0; x < image.width; ++x) {
      const auto* pixel = image.at(y, x);
      text += pixel[1] > 0 ? 'o' : pixel[0] > 0 ? '#' : pixel[2] > 0 ? 'b' : '.';
    }
    text += '\n';
  }
  return text;
}
std::string drawn(std::string_view text, Index height = 8, Index width = 11, Index top = 0, Index left = 0,
                  Index scale = 1) {
  vlm::Image image(height, width);
  vlm::draw_text(image, text, top, left, red, scale);
  return picture(image);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_draw_text)

BOOST_AUTO_TEST_CASE(letters) {
  BOOST_TEST(drawn("Ag") ==
             ".###.......\n"
             "#...#......\n"
             "#...#..####\n"
             "#####.#...#\n"
             "#...#.#...#\n"
             "#...#..####\n"
             "#...#.....#\n"
             ".......###.\n");
  BOOST_TEST(drawn("4%") ==
             "...#..##..#\n"
             "..##..##..#\n"
             ".#.#.....#.\n"
             "#..#....#..\n"
             "#####..#...\n"
             "...#..#..##\n"
             "...#..#..##\n"
             "...........\n");
}

BOOST_AUTO_TEST_CASE(each_letter_differs) {
  std::set<std::string> seen;
  for (char c = ' '; c < '\x7f'; ++c) seen.insert(drawn({&c, 1}));
  BOOST_TEST(seen.size() == 95u);
  BOOST_TEST(seen.count(drawn("\n")) == 0u);
}

BOOST_AUTO_TEST_CASE(other_characters_are_one_box_each) {
  const std::string box = drawn("\x7f");
  BOOST_TEST(box.starts_with("#####......\n#...#......\n"));
  for (const char* text : {"\n", "\t", "\xc3\xa9", "\xe7\x8c\xab", "\xf0\x9f\x99\x82", "\xff", "\x80"})
    BOOST_TEST(drawn(text) == box);
  BOOST_TEST(drawn(std::string_view("\0", 1)) == box);
  for (const char* text : {"\xe7\x8c\xab\xc3\xa9", "\x80\xff", "a\x80",
                           "\xe7\x8c\xab"
                           "A"})
    BOOST_TEST(vlm::text_size(text, 1).width == 11);
}

BOOST_AUTO_TEST_CASE(larger_text) {
  BOOST_TEST(drawn("-", 16, 10, 0, 0, 2) ==
             "..........\n..........\n..........\n..........\n"
             "..........\n..........\n##########\n##########\n"
             "..........\n..........\n..........\n..........\n"
             "..........\n..........\n..........\n..........\n");
  BOOST_TEST((vlm::text_size("abc", 3) == vlm::ImageSize{24, 51}));
  BOOST_TEST((vlm::text_size("", 3) == vlm::ImageSize{0, 0}));
}

BOOST_AUTO_TEST_CASE(cut_off_at_the_edges) {
  BOOST_TEST(drawn("A", 3, 4, -2, -1) == "...#\n####\n...#\n");
  BOOST_TEST(drawn("A", 3, 4, 2, 1) == "....\n....\n..##\n");
  const std::string empty = drawn("");
  constexpr Index least = std::numeric_limits<Index>::min(), most = std::numeric_limits<Index>::max();
  for (const Index far : {least, Index{-9}, Index{11}, most}) {
    BOOST_TEST(drawn("A", 8, 11, far, 0) == empty);
    BOOST_TEST(drawn("A", 8, 11, 0, far) == empty);
  }
  for (const Index scale : {least, Index{0}, vlm::max_text_scale + 1, most})
    BOOST_TEST(drawn("A", 8, 11, 0, 0, scale) == empty);
  // Dots that are larger than the image.
  BOOST_TEST(drawn("A", 2, 3, 0, -(Index{1} << 20), Index{1} << 20) == "###\n###\n");
}

BOOST_AUTO_TEST_CASE(labels) {
  vlm::Image image(10, 8);
  vlm::draw_label(image, "i", 0, 1, blue);
  BOOST_TEST(picture(image) ==
             ".bbbbbbb\n"
             ".bbbobbb\n"
             ".bbbbbbb\n"
             ".bboobbb\n"
             ".bbbobbb\n"
             ".bbbobbb\n"
             ".bbbobbb\n"
             ".bbooobb\n"
             ".bbbbbbb\n"
             ".bbbbbbb\n");
  BOOST_TEST((vlm::label_size("i", 2) == vlm::ImageSize{20, 14}));
  BOOST_TEST((vlm::label_size("", 2) == vlm::ImageSize{0, 0}));
  vlm::Image untouched(10, 8);
  vlm::draw_label(untouched, "", 0, 0, blue);
  vlm::draw_label(untouched, "i", 10, 0, blue);
  vlm::draw_label(untouched, "i", 0, 8, blue);
  vlm::draw_label(untouched, "i", 0, 0, blue, 0);
  BOOST_TEST((untouched == vlm::Image(10, 8)));
}

BOOST_AUTO_TEST_SUITE_END()
