// Reading PBM, PGM and PPM, and writing PPM.
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/vision/load_image.hpp>
#include <vlm/vision/pnm.hpp>

namespace {

std::string message_of(std::string_view bytes) {
  try {
    vlm::decode_pnm(bytes, "x.ppm");
  } catch (const vlm::DataError& error) {
    return error.what();
  }
  return "no error";
}

// The levels of a grey image.
std::vector<int> grey(std::string_view bytes) {
  const vlm::Image image = vlm::decode_pnm(bytes, "x.pgm");
  std::vector<int> levels;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) levels.push_back(image.pixels[i]);
  return levels;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_pnm)

BOOST_AUTO_TEST_CASE(colour_with_comments) {
  const vlm::Image image = vlm::decode_pnm("P6\n# made by hand\n2 #two\n#\n 1\n255\nabcdef", "x.ppm");
  BOOST_TEST(image.height == 1);
  BOOST_TEST(image.width == 2);
  BOOST_TEST(image.at(0, 1)[0] == 'd');
  BOOST_TEST(image.at(0, 1)[2] == 'f');
}

BOOST_AUTO_TEST_CASE(grey_is_repeated) {
  const vlm::Image image = vlm::decode_pnm("P5 1 2 255 ab", "x.pgm");
  BOOST_TEST(image.height == 2);
  BOOST_TEST(std::string(image.pixels.begin(), image.pixels.end()) == "aaabbb");
}

BOOST_AUTO_TEST_CASE(white_space_may_be_the_first_pixel) {
  const vlm::Image image = vlm::decode_pnm("P5 2 1 255\n\n#", "x.pgm");
  BOOST_TEST(image.at(0, 0)[0] == '\n');
  BOOST_TEST(image.at(0, 1)[0] == '#');
}

BOOST_AUTO_TEST_CASE(other_depths) {
  // As Pillow has them: scaled, halves to even; grey beyond 8 bits is cut off.
  const auto levels = [](std::string_view bytes) {
    const vlm::Image image = vlm::decode_pnm(bytes, "x");
    return std::vector<int>(image.pixels.begin(), image.pixels.end());
  };
  const std::vector<int> scaled = {0, 128, 255}, deep = {0, 1, 255}, grey = {255, 255, 255, 17, 17, 17};
  BOOST_TEST(levels(std::string_view("P6 1 1 2 \0\1\2", 12)) == scaled, boost::test_tools::per_element());
  BOOST_TEST(levels(std::string_view("P6 1 1 65535 \0\x80\1\0\xff\xff", 19)) == deep,
             boost::test_tools::per_element());
  BOOST_TEST(levels(std::string_view("P5 2 1 65535 \1\2\0\x11", 17)) == grey,
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(written_images_are_read_back) {
  const std::string folder = std::filesystem::temp_directory_path() / "vlm_test_pnm";
  std::filesystem::create_directories(folder);
  vlm::Image image(5, 7);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i * 37);
  const std::string path = folder + "/a picture#1";
  vlm::write_ppm(path, image);
  BOOST_TEST((vlm::load_image(path) == image));
  BOOST_CHECK_THROW(vlm::load_image(folder + "/absent.ppm"), vlm::FileError);
  BOOST_CHECK_THROW(vlm::load_image(folder + "/absent#3"), vlm::FileError);
  std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_CASE(other_formats) {
  BOOST_TEST(message_of("\x89PNG\r\n\x1a\n") ==
             "vlm::DataError [image-format]\n  image     x.ppm\n"
             "  expected  PBM, PGM or PPM\n  got       another kind of file"
             "\n  try       check the path, or read it with load_image, which knows more formats");
  for (std::string_view bytes : {"P0 1 1 255 a", "P7 1 1 255 a", "Pf 1 1 255 a", "P61 1 255 abc", "P"})
    BOOST_TEST(message_of(bytes).find("[image-format]") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(damaged_headers) {
  BOOST_TEST(message_of("P6 2 x 255 ") ==
             "vlm::DataError [image-header]\n  image     x.ppm\n"
             "  expected  height, a positive number\n  got       none at byte 5"
             "\n  try       fetch or save the image again");
  for (std::string_view bytes :
       {"P6", "P6 # comment without an end", "P6 0 1 255 ", "P6 -1 1 255 ", "P6 1x 1 255 ", "P6 1 1 255",
        "P6 1 1 255#", "P6 99999999999999999999 1 255 ", "P1", "P1 1 1", "P2 1 1 0 0", "P3 1 # 1 255 0 0 0",
        "P4 1 1"})
    BOOST_TEST(message_of(bytes).find("[image-header]") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(pixels_missing) {
  BOOST_TEST(message_of("P6 1 2 255 abcde") ==
             "vlm::DataError [image-truncated]\n  image     x.ppm\n"
             "  expected  at least 6 bytes of pixels\n  got       5"
             "\n  try       fetch or save the image again");
  BOOST_TEST(message_of("P6 1 2 256 abcdefghijk").find("at least 12 bytes") != std::string::npos);
  BOOST_TEST(message_of("P4 9 2 abc").find("at least 4 bytes") != std::string::npos);
  // Nothing is allocated for what cannot follow.
  BOOST_TEST(message_of("P1 16384 16384 0").find("at least 268435456 bytes") != std::string::npos);
  BOOST_TEST(message_of("P3 16384 16384 255 0").find("at least 1610612735 bytes") != std::string::npos);
  BOOST_TEST(message_of("P2 2 1 255 100") ==
             "vlm::DataError [image-damaged]\n  image     x.ppm\n"
             "  expected  pixels from 0 to 255\n  got       none at byte 14"
             "\n  try       fetch or save the image again");
  BOOST_TEST(message_of("P1 2 1 1  ").find("expected  pixels of 0 or 1\n  got       none at byte 10") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_follows_the_pixels_is_passed_over) {
  for (std::string_view bytes : {"P1 1 1 1 x", "P2 1 1 255 7 x", "P3 1 1 255 7 8 9 x", "P4 1 1 ax",
                                 "P5 1 1 255 ax", "P6 1 1 255 abcx"})
    BOOST_TEST(message_of(bytes) == "no error", bytes);
}

BOOST_AUTO_TEST_CASE(text) {
  using Levels = std::vector<int>;
  BOOST_TEST(grey("P1\n3 2\n0 1 0\n1#c\n00") == (Levels{255, 0, 255, 0, 255, 255}),
             boost::test_tools::per_element());
  BOOST_TEST(grey("P2 4 1 255\n0 7\r\n255\t128") == (Levels{0, 7, 255, 128}),
             boost::test_tools::per_element());
  BOOST_TEST(grey("P2 3 1 2 0 1 2") == (Levels{0, 128, 255}), boost::test_tools::per_element());
  BOOST_TEST(grey("P2 3 1 65535 0 17 300") == (Levels{0, 17, 255}), boost::test_tools::per_element());
  const vlm::Image image = vlm::decode_pnm("P3 1 1 1000 0 500 1000", "x");
  BOOST_TEST((std::vector<int>(image.pixels.begin(), image.pixels.end()) == Levels{0, 128, 255}));
}

BOOST_AUTO_TEST_CASE(comments_count_for_nothing) {
  // With the end of their line, so that a number goes on behind them.
  BOOST_TEST(grey("P2#a\n 1#b\r0 1 255#c\n 1 2 3 4#d\n5 6 7 8 9 10#e\n0 1#f") ==
                 (std::vector<int>{1, 2, 3, 45, 6, 7, 8, 9, 100, 1}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(bits) {
  // Rows start with a byte of their own.
  BOOST_TEST(grey(std::string_view("P4 9 2 \xa0\x80\x01\x00", 11)) ==
                 (std::vector<int>{0, 255, 0, 255, 255, 255, 255, 255, 0,  //
                                   255, 255, 255, 255, 255, 255, 255, 0, 255}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(wrong_values) {
  BOOST_TEST(message_of("P3 1 1 255 1 256 3") ==
             "vlm::DataError [image-damaged]\n  image     x.ppm\n"
             "  expected  pixels from 0 to 255\n  got       another at byte 13"
             "\n  try       fetch or save the image again");
  for (std::string_view bytes : {"P2 1 1 255 -1", "P2 1 1 255 1x", "P2 1 1 255 99999999999999999999",
                                 "P1 2 1 02", "P1 2 1 0 x", "P2 2 1 255 1 # 2"})
    BOOST_TEST(message_of(bytes).find("[image-damaged]") != std::string::npos, bytes);
}

BOOST_AUTO_TEST_CASE(limits) {
  BOOST_TEST(message_of("P6 1 1 65536 abcdef") ==
             "vlm::DataError [image-depth]\n  image     x.ppm\n"
             "  expected  at most 16 bits per value (largest value 65535)\n  got       largest value 65536"
             "\n  try       save the image with 8 or 16 bits");
  BOOST_TEST(message_of("P6 9000000000000000000 9000000000000000000 255 ").find("[image-size]") !=
             std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
