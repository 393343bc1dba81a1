// Golden images of every format against Pillow and transformers (tests/golden/make_images.py), and hostile files: one clear
// error each.
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/io/file.hpp>
#include <vlm/io/json_definitions.hpp>
#include <vlm/vision/load_image.hpp>
#include <vlm/vision/patches.hpp>

namespace {

using vlm::Index;

const std::string folder = "tests/golden/images/";

std::uint32_t fnv(const void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  std::uint32_t sum = 2166136261u;
  for (std::size_t i = 0; i < size; ++i) sum = (sum ^ bytes[i]) * 16777619u;
  return sum;
}
std::uint32_t fnv(const vlm::Image& image) { return fnv(image.pixels.data(), image.pixels.size()); }

struct Golden {
  std::string file, levels;
  vlm::PixelBudget budget;
  Index height, width, resized_height, resized_width;
  std::uint32_t pixels, resized, rows;
  vlm::Grid grid;
  bool needs_library() const {
    return !file.ends_with(".bmp") && !file.ends_with(".ppm") && !file.ends_with(".pgm") &&
           !file.ends_with(".pbm");
  }
  friend std::ostream& operator<<(std::ostream& out, const Golden& golden) { return out << golden.file; }
};

std::vector<Golden> golden_images() {
  std::vector<Golden> all;
  const vlm::Json results = vlm::parse_json(vlm::read_file(folder + "results.json"), "results.json");
  for (const vlm::Json& one : results.items()) {
    const auto number = [&](std::string_view key) { return one.at(key).integer(); };
    const auto sum = [&](std::string_view key) { return static_cast<std::uint32_t>(number(key)); };
    const auto part = [&](std::string_view key, std::size_t i) { return one.at(key).at(i).integer(); };
    Golden golden{one.at("file").string(),
                  one.at("levels").string(),
                  {number("min_pixels"), number("max_pixels")},
                  number("height"),
                  number("width"),
                  part("resized", 0),
                  part("resized", 1),
                  sum("pixels"),
                  sum("resized_pixels"),
                  sum("rows"),
                  {part("grid", 0), part("grid", 1), part("grid", 2)}};
    if (!golden.needs_library() || VLM_HAS_IMAGE) all.push_back(golden);
  }
  return all;
}
const std::vector<Golden> goldens = golden_images();

vlm::ImageSettings settings_of(const Golden& golden) {
  vlm::ImageSettings settings;
  settings.budget = golden.budget;
  return settings;
}

// The message of the error that a file of these bytes gives.
std::string message_of(std::string_view bytes) {
  try {
    vlm::decode_image(bytes, "x");
  } catch (const vlm::DataError& error) {
    return error.what();
  }
  return "no error";
}
[[maybe_unused]] std::string bytes_of(const std::string& file) { return vlm::read_file(folder + file); }

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_load_image)

BOOST_DATA_TEST_CASE(pixels_equal_pillow, boost::unit_test::data::make(goldens), golden) {
  const vlm::Image image = vlm::load_image(folder + golden.file);
  BOOST_TEST(image.height == golden.height);
  BOOST_TEST(image.width == golden.width);
  BOOST_TEST(fnv(image) == golden.pixels);
  const vlm::ImageHeader header = vlm::read_image_header(vlm::read_file(folder + golden.file), golden.file);
  BOOST_TEST(header.height == golden.height);
  BOOST_TEST(header.width == golden.width);
}

BOOST_DATA_TEST_CASE(resized_pixels_and_rows_equal_pillow, boost::unit_test::data::make(goldens), golden) {
  const vlm::Image image = vlm::load_image(folder + golden.file);
  BOOST_TEST(fnv(vlm::resize_bicubic(image, golden.resized_height, golden.resized_width)) == golden.resized);
  const vlm::PatchedImage patched = vlm::patchify(image, settings_of(golden));
  BOOST_TEST((patched.grid == golden.grid));
  BOOST_TEST(fnv(patched.rows.data(), patched.rows.size() * sizeof(float)) == golden.rows);
}

// The torchvision processor resizes with other integers: at most one level off, for 99 of 100 values.
BOOST_DATA_TEST_CASE(rows_are_near_torchvision, boost::unit_test::data::make(goldens), golden) {
  vlm::Queue<vlm::Cpu> queue(2);
  const vlm::MappedFile file(folder + golden.file);
  const vlm::PatchedImage patched =
      vlm::patchify(*vlm::open_image(file.text(), golden.file), settings_of(golden), queue);
  const std::size_t samples = golden.levels.size() / 2;
  BOOST_TEST_REQUIRE(samples == 384u);
  std::size_t near = 0;
  for (std::size_t i = 0; i < samples; ++i) {
    const int theirs = std::stoi(golden.levels.substr(2 * i, 2), nullptr, 16);
    const float value = patched.rows[i * 7919 % patched.rows.size()];
    near += std::abs(static_cast<int>(std::lround(value * 127.5f + 127.5f)) - theirs) <= 1;
  }
  BOOST_TEST(near * 100 >= samples * 99);
}

BOOST_AUTO_TEST_CASE(other_files) {
  BOOST_TEST(message_of("") ==
             "vlm::DataError [image-format]\n  image     x\n"
             "  expected  JPEG, PNG, WebP, GIF, BMP, PBM, PGM, PPM, or FILE#INDEX of an IDX file\n"
             "  got       an empty file"
             "\n  try       check the path, or save the image as PNG");
  for (std::string_view bytes : {"P", "P7\nWIDTH 1", "hello", "\xff\xd8", "GIF", "RIFF1234WEB", "\x1f\x8b"})
    BOOST_TEST(message_of(bytes).find("[image-format]") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(formats_without_a_decoder) {
  const auto kept = vlm::image_codec(vlm::ImageFormat::Png);
  vlm::register_image_codec(vlm::ImageFormat::Png, nullptr);
  const std::string message = message_of(vlm::read_file(folder + "rgb.png"));
  vlm::register_image_codec(vlm::ImageFormat::Png, kept);
  BOOST_TEST(message ==
             "vlm::DataError [image-format]\n  image     x\n"
             "  expected  PBM, PGM, PPM or BMP, or FILE#INDEX of an IDX file\n  got       a PNG image\n"
             "  try       build with vlm::image, or convert the image");
}

// 60,000 x 60,000 pixels are refused by what the header says, whatever follows it.
BOOST_AUTO_TEST_CASE(bombs) {
  const std::string side("\xea\x60", 2), little("\x60\xea", 2), zero(2, '\0');
  const std::string png = "\x89PNG\r\n\x1a\n" + zero + std::string("\0\x0dIHDR", 6) + zero + side + zero +
                          side + std::string("\x08\x02\0\0\0crc_", 9);
  const std::string jpeg = std::string("\xff\xd8\xff\xc0\0\x0b\x08", 7) + side + side + "\x01\x01\x11" +
                           std::string("\0\xff\xda\0\x08\x01\x01\0\0\x3f\0", 11);
  const std::string gif =
      "GIF89a" + little + little + std::string("\0\0\0,\0\0\0\0", 8) + little + little + "\0";
  const std::string bmp =
      "BM" + std::string(12, '\0') + std::string("\x28\0\0\0", 4) + little + zero + little + zero;
  for (const std::string& bytes : {png, jpeg, gif, bmp, std::string("P6 60000 60000 255 ")})
    BOOST_TEST(
        message_of(bytes) ==
        "vlm::DataError [image-size]\n  image     x\n  expected  1 to 268435456 pixels\n"
        "  got       height 60000, width 60000\n  try       scale it to at most height 16384, width 16384");
}

BOOST_AUTO_TEST_CASE(no_pixels) {
  BOOST_TEST(message_of(std::string("GIF89a\0\0\0\0\0\0\0,\0\0\0\0\0\0\0\0\0", 23)) ==
             "vlm::DataError [image-size]\n  image     x\n  expected  1 to 268435456 pixels\n"
             "  got       height 0, width 0");
}

#if VLM_HAS_IMAGE

BOOST_AUTO_TEST_CASE(the_name_of_a_file_decides_nothing) {
  const std::string bytes = bytes_of("rgb.png");
  BOOST_TEST((vlm::decode_image(bytes, "picture.jpg") == vlm::decode_image(bytes, "rgb.png")));
}

BOOST_AUTO_TEST_CASE(truncated_files) {
  // Wherever a file ends, it is refused: as truncated, or as damaged where a decoder sees more than a missing end.
  for (const Golden& golden : goldens) {
    const std::string bytes = bytes_of(golden.file);
    // The frames after the first may be missing.
    if (bytes.size() > 60000 || golden.file == "animated.gif") continue;
    for (std::size_t size = 0; size + 40 < bytes.size(); size += 1 + bytes.size() / 23) {
      const std::string message = message_of(std::string_view(bytes).substr(0, size));
      BOOST_TEST_CONTEXT(golden.file << " of " << size << " bytes: " << message)
      BOOST_TEST(message.find("vlm::DataError [image-") == 0u);
    }
  }
  BOOST_TEST(message_of(bytes_of("photo_420.jpg").substr(0, 5000)) ==
             "vlm::DataError [image-truncated]\n  image     x\n  expected  a JPEG image to its end\n"
             "  got       the first 5000 bytes of one\n  try       fetch or save the image again");
  for (const char* file : {"rgb.png", "lossy.webp", "lossless.webp", "interlaced.gif", "colours.bmp",
                           "progressive.jpg", "interlaced.png", "animated.webp"}) {
    const std::string bytes = bytes_of(file);
    BOOST_TEST_CONTEXT(file)
    BOOST_TEST(message_of(bytes.substr(0, bytes.size() / 2)).find("[image-truncated]") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(lying_headers) {
  // Thousands of times as many pixels as there are.
  const auto changed = [](const char* file, std::size_t at, std::string_view bytes) {
    return bytes_of(file).replace(at, bytes.size(), bytes);
  };
  BOOST_TEST(
      message_of(changed("interlaced.png", 16,
                         std::string_view("\0\0\x3f\0\0\0\x3f\0\x10\x02\0\0\x01\x76\xc7\x6d\xf1", 17))) ==
      "vlm::DataError [image-truncated]\n  image     x\n  expected  a PNG image to its end\n"
      "  got       the first " +
          std::to_string(bytes_of("interlaced.png").size()) +
          " bytes of one\n  try       fetch or save the image again");
  const std::string jpeg = bytes_of("photo_420.jpg");
  const std::size_t frame = jpeg.find("\xff\xc0");
  BOOST_TEST(message_of(changed("photo_420.jpg", frame + 5, "\x3f\x3f")).find("[image-truncated]") !=
             std::string::npos);
  BOOST_TEST(message_of(changed("lossless.webp", 21, "\xff\xff\x3f")).find("vlm::DataError [image-") == 0u);
  BOOST_TEST(message_of(changed("interlaced.gif", 13, std::string_view("\xff\xff\xff\xff", 4))) ==
             "no error");
  BOOST_TEST(message_of(changed("palette.png", 29, "\x0c")).find("[image-damaged]") != std::string::npos);
  // A text of two gigabytes that is not there: nothing is allocated for it.
  BOOST_TEST(message_of(bytes_of("palette.png").insert(33, std::string_view("\x7b\0\0\x21iTXt", 8)))
                 .find("[image-truncated]") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(damage_is_named) {
  std::string png = bytes_of("rgb.png");
  png[29] ^= 1;
  BOOST_TEST(message_of(png) ==
             "vlm::DataError [image-damaged]\n  image     x\n  expected  a PNG image\n"
             "  got       IHDR: CRC error\n  try       fetch or save the image again");
  BOOST_TEST(message_of(std::string("\xff\xd8\xff\xd9", 4) + "xx") ==
             "vlm::DataError [image-damaged]\n  image     x\n  expected  a JPEG image\n"
             "  got       its end before any pixels\n  try       fetch or save the image again");
}

#endif

BOOST_AUTO_TEST_SUITE_END()
