// Sizes against the reference's table, and bicubic resampling against bytes made by Pillow 13.
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include <vlm/vision/resize.hpp>

namespace {

struct SizeCase {
  vlm::Index height, width, resized_height, resized_width;
  friend std::ostream& operator<<(std::ostream& out, const SizeCase& c) {
    return out << c.height << " x " << c.width;
  }
};

constexpr SizeCase sizes[] = {
    {1080, 1920, 1088, 1920}, {1365, 2048, 1376, 2048}, {720, 1280, 704, 1280},   {480, 640, 480, 640},
    {300, 400, 288, 384},     {1000, 1000, 992, 992},   {224, 224, 256, 256},     {16, 16, 256, 256},
    {10, 1000, 32, 2560},     {6000, 8000, 3520, 4704}, {1040, 1072, 1024, 1088}, {1008, 1008, 1024, 1024},
};

// An image whose bytes are a formula; the same formula made the expected values.
vlm::Image pattern(vlm::Index height, vlm::Index width) {
  vlm::Image image(height, width);
  for (vlm::Index y = 0; y < height; ++y)
    for (vlm::Index x = 0; x < width; ++x)
      for (vlm::Index c = 0; c < 3; ++c)
        image.at(y, x)[c] = static_cast<std::uint8_t>(y * 37 + x * 59 + c * 83 + y * x * 7);
  return image;
}

std::uint32_t checksum(const std::vector<std::uint8_t>& bytes) {  // FNV-1a
  std::uint32_t sum = 2166136261u;
  for (std::uint8_t byte : bytes) sum = (sum ^ byte) * 16777619u;
  return sum;
}

struct ResizeCase {
  vlm::Index height, width, resized_height, resized_width;
  std::uint32_t checksum;
  friend std::ostream& operator<<(std::ostream& out, const ResizeCase& c) {
    return out << c.height << " x " << c.width << " -> " << c.resized_height << " x " << c.resized_width;
  }
};

// Growing, growing the width while the height shrinks, shrinking, and one side only.
constexpr ResizeCase resizes[] = {
    {28, 28, 32, 32, 3175523296u},
    {50, 31, 20, 64, 2585047405u},
    {97, 120, 33, 41, 1036202852u},
    {16, 16, 64, 16, 1526038662u},
};

template <class Error, class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_resize)

BOOST_DATA_TEST_CASE(smart_resize_equals_the_reference, boost::unit_test::data::make(sizes), c) {
  const vlm::ImageSize size = vlm::smart_resize(c.height, c.width, 32, {});
  BOOST_TEST(size.height == c.resized_height);
  BOOST_TEST(size.width == c.resized_width);
}

BOOST_AUTO_TEST_CASE(small_factor_and_budget) {
  BOOST_TEST((vlm::smart_resize(28, 28, 8, {64, 4096}) == vlm::ImageSize{32, 32}));
  BOOST_TEST((vlm::smart_resize(28, 28, 8, {1, 256}) == vlm::ImageSize{16, 16}));
  BOOST_TEST((vlm::smart_resize(5, 200, 8, {1, 64}) == vlm::ImageSize{8, 48}));
  BOOST_TEST((vlm::smart_resize(1, 200, 8, {1, 64}) == vlm::ImageSize{8, 16}));
}

BOOST_AUTO_TEST_CASE(aspect_ratio) {
  BOOST_CHECK_NO_THROW(vlm::smart_resize(10, 2000, 32, {}));
  BOOST_TEST(message_of<vlm::DataError>([] { vlm::smart_resize(10, 2001, 32, {}); }) ==
             "vlm::DataError [image-aspect]\n  expected  an aspect ratio of at most 200\n"
             "  got       height 10, width 2001\n  try       crop the image");
}

BOOST_AUTO_TEST_CASE(wrong_arguments) {
  BOOST_CHECK_THROW(vlm::smart_resize(0, 10, 32, {}), vlm::DataError);
  BOOST_CHECK_THROW(vlm::smart_resize(10, 10, 0, {}), vlm::ConfigError);
  BOOST_CHECK_THROW(vlm::smart_resize(10, 10, 32, {0, 100}), vlm::ConfigError);
  BOOST_CHECK_THROW(vlm::resize_bicubic(vlm::Image(1, 1), 0, 4), vlm::DataError);
  BOOST_CHECK_THROW(vlm::resize_bicubic(vlm::Image{}, 4, 4), vlm::DataError);
  BOOST_TEST(message_of<vlm::ConfigError>([] { vlm::smart_resize(10, 10, 32, {200, 100}); }) ==
             "vlm::ConfigError [pixel-budget]\n"
             "  expected  1 <= min_pixels <= max_pixels <= 268435456, patch size * merge size >= 1\n"
             "  got       min_pixels 200, max_pixels 100, patch size * merge size 32"
             "\n  try       budgets of the published model, in preprocessor_config.json");
}

BOOST_AUTO_TEST_CASE(every_byte_of_a_tiny_image) {
  const std::vector<int> expected = {15, 98,  200, 96,  179, 104, 26, 109, 182, 110, 193, 88,
                                     49, 132, 147, 139, 222, 59,  60, 143, 129, 153, 236, 43};
  const vlm::Image resized = vlm::resize_bicubic(pattern(2, 3), 4, 2);
  const std::vector<int> bytes(resized.pixels.begin(), resized.pixels.end());
  BOOST_TEST(bytes == expected, boost::test_tools::per_element());
}

BOOST_DATA_TEST_CASE(bytes_equal_pillow, boost::unit_test::data::make(resizes), c) {
  const vlm::Image resized =
      vlm::resize_bicubic(pattern(c.height, c.width), c.resized_height, c.resized_width);
  BOOST_TEST(resized.height == c.resized_height);
  BOOST_TEST(resized.width == c.resized_width);
  BOOST_TEST(checksum(resized.pixels) == c.checksum);
}

BOOST_AUTO_TEST_CASE(threads_and_levels_change_no_bit) {
  const vlm::Image image = pattern(70, 95);
  for (const vlm::ImageSize size : {vlm::ImageSize{33, 190}, {140, 41}, {70, 33}, {41, 95}}) {
    const vlm::Image expected = vlm::resize_bicubic(image, size.height, size.width);
    for (const int threads : {1, 2, 5})
      for (int level = 0; level <= static_cast<int>(vlm::best_isa_level()); ++level) {
        vlm::Queue<vlm::Cpu> queue(threads, static_cast<vlm::IsaLevel>(level));
        BOOST_TEST((vlm::resize_bicubic(image, size.height, size.width, queue) == expected));
      }
  }
}

BOOST_AUTO_TEST_CASE(same_size_is_a_copy) {
  const vlm::Image image = pattern(9, 4);
  BOOST_TEST((vlm::resize_bicubic(image, 9, 4) == image));
}

BOOST_AUTO_TEST_SUITE_END()
