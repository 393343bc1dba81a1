// Reading and writing PPM and PGM, the choice of format by content, and the limits on sizes.
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <vlm/io/file.hpp>
#include <vlm/vision/image.hpp>

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

BOOST_AUTO_TEST_SUITE(vision_image)

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

BOOST_AUTO_TEST_CASE(written_images_are_read_back) {
  const std::string folder = std::filesystem::temp_directory_path() / "vlm_test_image";
  std::filesystem::create_directories(folder);
  vlm::Image image(5, 7);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i * 37);
  const std::string path = folder + "/a picture#1";
  vlm::write_ppm(path, image);
  BOOST_TEST((vlm::read_pnm(path) == image));
  BOOST_TEST((vlm::load_image(path) == image));
  BOOST_CHECK_THROW(vlm::load_image(folder + "/absent.ppm"), vlm::FileError);
  BOOST_CHECK_THROW(vlm::load_image(folder + "/absent#3"), vlm::FileError);
  std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_CASE(other_formats_are_named) {
  BOOST_TEST(message_of("\x89PNG\r\n\x1a\n") ==
             "vlm::DataError [image-format]\n  image     x.ppm\n"
             "  expected  binary PPM or PGM, or FILE#INDEX of an IDX file\n  got       a PNG file\n"
             "  try       convert the image to PPM: this build reads no other format");
  for (std::string_view bytes : {"", "P", "P3 1 1 255 0 0 0", "P4 1 1 0", "\xff\xd8\xff\xe0", "hello"})
    BOOST_TEST(message_of(bytes).find("[image-format]") != std::string::npos);
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
}

BOOST_AUTO_TEST_CASE(depth_and_size_limits) {
  BOOST_TEST(message_of("P6 1 1 65535 abcdef") ==
             "vlm::DataError [image-depth]\n  image     x.ppm\n"
             "  expected  8 bits per value (largest value 255)\n  got       largest value 65535");
  BOOST_TEST(message_of("P6 9000000000000000000 9000000000000000000 255 ") ==
             "vlm::DataError [image-size]\n  image     x.ppm\n  expected  1 to 268435456 pixels\n"
             "  got       height 9000000000000000000, width 9000000000000000000");
  BOOST_CHECK_NO_THROW(vlm::check_image_size(1, vlm::max_image_pixels, "x"));
  BOOST_CHECK_THROW(vlm::check_image_size(2, vlm::max_image_pixels / 2 + 1, "x"), vlm::DataError);
  BOOST_CHECK_THROW(vlm::Image(0, 5), vlm::DataError);
}

BOOST_AUTO_TEST_SUITE_END()
