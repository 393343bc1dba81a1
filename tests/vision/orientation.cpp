// The orientation in EXIF and XMP, and the eight ways to turn an image.
#include <boost/test/unit_test.hpp>

#include <memory>
#include <string>
#include <string_view>

#include <vlm/vision/image_rows.hpp>
#include <vlm/vision/orientation.hpp>

namespace {

// An EXIF block with one entry before the orientation.
std::string exif(bool big, int type, std::string_view value) {
  const auto number = [big](unsigned value_of, std::size_t size) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i)
      text += static_cast<char>(value_of >> 8 * (big ? size - 1 - i : i) & 255u);
    return text;
  };
  return (big ? "MM" : "II") + number(42, 2) + number(8, 4) + number(2, 2) + number(0x010f, 2) +
         number(2, 2) + number(4, 4) + "abc" + std::string(1, '\0') + number(0x0112, 2) +
         number(static_cast<unsigned>(type), 2) + number(1, 4) + std::string(value) +
         std::string(4 - value.size(), '\0');
}

// "abcdef" as an image of two rows, turned.
std::string turned(int orientation) {
  vlm::Image image(2, 3);
  for (std::size_t i = 0; i < 6; ++i) image.pixels[3 * i] = static_cast<std::uint8_t>('a' + i);
  vlm::TurnedRows rows(std::make_unique<vlm::RowsOfImage>(image), orientation);
  const vlm::Image shown = vlm::read_all(rows, "x");
  std::string text;
  for (vlm::Index y = 0; y < shown.height; ++y, text += y < shown.height ? " " : "")
    for (vlm::Index x = 0; x < shown.width; ++x) text += static_cast<char>(shown.at(y, x)[0]);
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_orientation)

BOOST_AUTO_TEST_CASE(eight_ways) {
  const char* expected[] = {"abc def",  "cba fed",  "fed cba",  "def abc",
                            "ad be cf", "da eb fc", "fc eb da", "cf be ad"};
  for (int orientation = 1; orientation <= 8; ++orientation)
    BOOST_TEST(turned(orientation) == expected[orientation - 1]);
}

BOOST_AUTO_TEST_CASE(exif_of_both_byte_orders) {
  BOOST_TEST(vlm::exif_orientation(exif(true, 3, std::string("\0\x06", 2))) == 6);
  BOOST_TEST(vlm::exif_orientation(exif(false, 3, "\x08")) == 8);
  BOOST_TEST(vlm::exif_orientation(exif(false, 4, "\x03")) == 3);
  BOOST_TEST(vlm::exif_orientation(exif(true, 1, "\x05")) == 5);
  const std::string mark("Exif\0\0", 6);
  BOOST_TEST(vlm::exif_orientation(mark + exif(false, 3, "\x02")) == 2);
  BOOST_TEST(vlm::exif_orientation(mark + mark + exif(false, 3, "\x02")) == 2);
}

BOOST_AUTO_TEST_CASE(damaged_exif_has_none) {
  const std::string whole = exif(true, 3, std::string("\0\x06", 2));
  for (std::size_t size = 0; size < whole.size(); ++size)
    BOOST_TEST(vlm::exif_orientation(std::string_view(whole).substr(0, size)) == 0);
  BOOST_TEST(vlm::exif_orientation(exif(false, 3, "\x09")) == 0);
  BOOST_TEST(vlm::exif_orientation(exif(false, 7, "\x06")) == 0);
  BOOST_TEST(vlm::exif_orientation("II*" + std::string(1, '\0') + "\xff\xff\xff\xff") == 0);
}

BOOST_AUTO_TEST_CASE(xmp) {
  BOOST_TEST(vlm::xmp_orientation("<a tiff:Orientation=\"6\"/>") == 6);
  BOOST_TEST(vlm::xmp_orientation("<tiff:Orientation>3</tiff:Orientation>") == 3);
  BOOST_TEST(vlm::xmp_orientation("tiff:Orientation is tiff:Orientation=\"8\"") == 8);
  for (const char* none : {"", "tiff:Orientation", "tiff:Orientation=\"", "tiff:Orientation=\"x\"",
                           "tiff:Orientation=6", "tiff:Orientation=\"9\""})
    BOOST_TEST(vlm::xmp_orientation(none) == 0);
}

BOOST_AUTO_TEST_SUITE_END()
