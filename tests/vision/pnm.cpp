// Reading and writing PPM and PGM.
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
             "  expected  binary PPM or PGM\n  got       another kind of file");
}

BOOST_AUTO_TEST_CASE(damaged_headers) {
  BOOST_TEST(message_of("P6 2 x 255 ") ==
             "vlm::DataError [image-header]\n  image     x.ppm\n"
             "  expected  height, a positive number\n  got       none at byte 5");
  for (std::string_view bytes : {"P6", "P6 # comment without an end", "P6 0 1 255 ", "P6 -1 1 255 ",
                                 "P6 1 1 255", "P6 1 1 255#", "P6 99999999999999999999 1 255 "})
    BOOST_TEST(message_of(bytes).find("[image-header]") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(pixels_missing_or_left_over) {
  BOOST_TEST(
      message_of("P6 1 2 255 abcde") ==
      "vlm::DataError [image-truncated]\n  image     x.ppm\n  expected  6 bytes of pixels\n  got       5");
  BOOST_TEST(message_of("P6 1 2 255 abcdefg").find("[image-truncated]") != std::string::npos);
  BOOST_TEST(message_of("P6 1 2 256 abcdefghijk").find("expected  12 bytes") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(limits) {
  BOOST_TEST(message_of("P6 1 1 65536 abcdef") ==
             "vlm::DataError [image-depth]\n  image     x.ppm\n"
             "  expected  at most 16 bits per value (largest value 65535)\n  got       largest value 65536");
  BOOST_TEST(message_of("P6 9000000000000000000 9000000000000000000 255 ").find("[image-size]") !=
             std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
