// Writing PNG files; reading them is tested with the other formats in tests/vision/load_image.cpp.
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include <vlm/vision/load_image.hpp>
#include <vlm/vision/png.hpp>

BOOST_AUTO_TEST_SUITE(vision_png)

BOOST_AUTO_TEST_CASE(written_images_are_read_back) {
#if VLM_HAS_IMAGE
  vlm::Image image(17, 23);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i * 37);
  BOOST_TEST((vlm::decode_image(vlm::encode_png(image), "x") == image));
  const std::string path = std::filesystem::temp_directory_path() / "vlm_test_written.png";
  vlm::write_png(path, image);
  BOOST_TEST((vlm::load_image(path) == image));
  std::filesystem::remove(path);
  BOOST_CHECK_THROW(vlm::encode_png(vlm::Image{}), vlm::DataError);
  BOOST_CHECK_THROW(vlm::write_png("no/such/folder/x.png", image), vlm::FileError);
#else
  BOOST_TEST(vlm::image_codec(vlm::ImageFormat::Png) == nullptr);
#endif
}

BOOST_AUTO_TEST_SUITE_END()
