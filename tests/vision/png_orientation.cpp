// Which chunk of a PNG file says how it is turned, and the texts that hold EXIF.
#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/vision/load_image.hpp>
#include <vlm/vision/png_orientation.hpp>

namespace {

std::string exif(char orientation) {
  std::string block("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", 18);
  block += orientation;
  block.append(3, '\0');
  return block;
}
std::string profile(char orientation) {
  std::string text = "\nexif\n      22\n";
  for (const char byte : exif(orientation)) {
    text += "0123456789abcdef"[byte >> 4 & 15];
    text += "0123456789abcdef"[byte & 15];
    if (text.size() % 7 == 0) text += '\n';
  }
  return text + "\n";
}
std::string xmp(char digit) {
  std::string packet = "<a tiff:Orientation=\"";
  packet += digit;
  packet += "\"/>";
  return packet;
}

const std::string profile_key("Raw profile type exif\0", 22), xmp_key("XML:com.adobe.xmp\0", 18);

int value(const std::vector<std::pair<const char*, std::string>>& chunks) {
  vlm::detail::PngOrientation orientation;
  for (const auto& [kind, data] : chunks) orientation.see(kind, data);
  return orientation.value();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_png_orientation)

BOOST_AUTO_TEST_CASE(each_place) {
  const std::string none(2, '\0'), empty(2, '\0');  // not compressed; no language, no translated key
  BOOST_TEST(value({}) == 1);
  BOOST_TEST(value({{"eXIf", exif(6)}}) == 6);
  BOOST_TEST(value({{"tEXt", std::string("exif\0", 5) + exif(5)}}) == 5);
  BOOST_TEST(value({{"tEXt", profile_key + profile(8)}}) == 8);
  BOOST_TEST(value({{"iTXt", profile_key + none + empty + profile(3)}}) == 3);
  BOOST_TEST(value({{"iTXt", xmp_key + none + "en" + empty + xmp('7')}}) == 7);
  BOOST_TEST(value({{"tEXt", xmp_key + xmp('2')}}) == 2);
  BOOST_TEST(value({{"tEXt", std::string("Comment\0", 8) + xmp('2')}, {"IDAT", exif(6)}}) == 1);
}

BOOST_AUTO_TEST_CASE(which_comes_first) {
  const std::pair<const char*, std::string> chunk{"eXIf", exif(6)}, raw{"tEXt", profile_key + profile(8)},
      packet{"tEXt", xmp_key + xmp('3')};
  BOOST_TEST(value({packet, raw, chunk}) == 6);
  BOOST_TEST(value({packet, raw}) == 8);
  BOOST_TEST(value({chunk, {"eXIf", exif(5)}}) == 5);
  // EXIF without an orientation leaves it to XMP, not to the profile.
  BOOST_TEST(value({{"eXIf", ""}, raw, packet}) == 3);
}

BOOST_AUTO_TEST_CASE(damaged_texts_turn_nothing) {
  const std::string whole = profile(6), zero(1, '\0');
  for (std::size_t size = 0; size + 8 < whole.size(); ++size)
    BOOST_TEST(value({{"tEXt", profile_key + whole.substr(0, size)}}) == 1);
  BOOST_TEST(value({{"tEXt", profile_key + "\nexif\n 22\nxx"}}) == 1);
  BOOST_TEST(value({{"tEXt", profile_key.substr(0, 21)}}) == 1);
  for (const char* kind : {"zTXt", "iTXt"})
    for (const std::string& rest : {std::string(), zero, zero + zero, zero + zero + zero, zero + "damaged",
                                    "\1" + zero + zero + zero + "damaged", "\1\1" + zero + zero})
      BOOST_TEST(value({{kind, profile_key + rest}}) == 1);
}

BOOST_AUTO_TEST_CASE(texts_are_inflated_up_to_a_limit) {
  std::size_t asked = 0;
  static std::size_t* most_asked;
  most_asked = &asked;
  const auto kept = vlm::detail::png_inflater.load();
  vlm::detail::register_png_inflater([](std::string_view stream, std::size_t most) {
    *most_asked = most;
    return stream == "packed" ? profile(6) : std::string();
  });
  const std::string zero(1, '\0');
  BOOST_TEST(value({{"zTXt", profile_key + zero + "packed"}}) == 6);
  BOOST_TEST(value({{"iTXt", profile_key + "\1" + zero + zero + zero + "packed"}}) == 6);
  BOOST_TEST(asked == std::size_t{1} << 20);
  vlm::detail::register_png_inflater(nullptr);
  BOOST_TEST(value({{"zTXt", profile_key + zero + "packed"}}) == 1);
  vlm::detail::register_png_inflater(kept);
#if VLM_HAS_IMAGE
  BOOST_TEST(vlm::detail::inflate_text(std::string_view("x\x9c\x4b\x04\0\0b\0b", 9), 10) == "a");
  // A million letters and one in a thousand bytes.
  std::string packed(2000, '\0');
  const std::string text((std::size_t{1} << 20) + 1, 'a');
  uLongf size = packed.size();
  BOOST_REQUIRE(compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                         reinterpret_cast<const Bytef*>(text.data()), text.size()) == Z_OK);
  packed.resize(size);
  BOOST_TEST(vlm::detail::inflate_text(packed, text.size()) == text);
  BOOST_TEST(vlm::detail::inflate_text(packed, text.size() - 1).empty());
  BOOST_TEST(vlm::detail::inflate_text(packed.substr(0, 500), text.size()).empty());
#endif
}

BOOST_AUTO_TEST_SUITE_END()
