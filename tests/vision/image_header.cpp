// What files say of themselves, of all formats and without a decoder; and headers that end too early.
#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>

#include <vlm/io/file.hpp>
#include <vlm/vision/image_header.hpp>

namespace {

std::string bytes_of(const std::string& file) { return vlm::read_file("tests/golden/images/" + file); }

std::string message_of(std::string_view bytes) {
  try {
    vlm::read_image_header(bytes, "x");
  } catch (const vlm::DataError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_image_header)

BOOST_AUTO_TEST_CASE(formats_sizes_and_turns) {
  struct Case {
    const char* file;
    vlm::ImageFormat format;
    vlm::Index height, width;
    int orientation;
  };
  using enum vlm::ImageFormat;
  const Case cases[] = {{"photo_420.jpg", Jpeg, 251, 333, 1}, {"turned_5.jpg", Jpeg, 61, 43, 5},
                        {"turned_xmp.jpg", Jpeg, 70, 50, 6},  {"turned.png", Png, 60, 40, 8},
                        {"profile.png", Png, 46, 30, 6},      {"unannounced.webp", WebP, 35, 48, 1},
                        {"bits.png", Png, 70, 99, 1},         {"lossy.webp", WebP, 211, 307, 1},
                        {"lossless.webp", WebP, 60, 83, 1},   {"turned.webp", WebP, 88, 55, 6},
                        {"screen.gif", Gif, 64, 71, 1},       {"bits_565.bmp", Bmp, 41, 37, 1},
                        {"colours.ppm", Pnm, 37, 41, 1}};
  for (const Case& one : cases) {
    const vlm::ImageHeader header = vlm::read_image_header(bytes_of(one.file), one.file);
    BOOST_TEST_CONTEXT(one.file) {
      BOOST_TEST((header.format == one.format));
      BOOST_TEST(header.height == one.height);
      BOOST_TEST(header.width == one.width);
      BOOST_TEST(header.orientation == one.orientation);
    }
  }
}

BOOST_AUTO_TEST_CASE(headers_that_end_too_early) {
  const auto start = [](const char* file, std::size_t size) { return bytes_of(file).substr(0, size); };
  BOOST_TEST(message_of(start("rgb.png", 20)) ==
             "vlm::DataError [image-truncated]\n  image     x\n  expected  a PNG image to its end\n"
             "  got       the first 20 bytes of one\n  try       fetch or save the image again");
  for (const char* file :
       {"photo_420.jpg", "lossy.webp", "lossless.webp", "turned.webp", "screen.gif", "runs.bmp"})
    for (std::size_t size = 12; size < 17; ++size)
      BOOST_TEST(message_of(start(file, size)).find("[image-truncated]") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(damaged_headers) {
  BOOST_TEST(message_of("\x89PNG\r\n\x1a\n    JHDR        ") ==
             "vlm::DataError [image-damaged]\n  image     x\n  expected  a PNG image\n"
             "  got       another chunk before its header\n  try       fetch or save the image again");
  BOOST_TEST(message_of("RIFF    WEBPVP9 ").find("another chunk before its pixels") != std::string::npos);
  BOOST_TEST(message_of("RIFF    WEBPVP8      12345678").find("no start of a key frame") !=
             std::string::npos);
  BOOST_TEST(message_of("RIFF    WEBPVP8L    1234567890").find("no signature") != std::string::npos);
  BOOST_TEST(message_of(std::string("GIF89a\1\0\1\0\0\0\0;", 14)).find("no frame") != std::string::npos);
  BOOST_TEST(message_of(std::string("\xff\xd8\xff\xe0\0\1", 6)).find("a segment of 1 bytes") !=
             std::string::npos);
  BOOST_TEST(message_of(std::string("\xff\xd8\xff\xda\0\x08\1", 7)).find("pixels before the size") !=
             std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
