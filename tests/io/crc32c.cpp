#include <vlm/io/crc32c.hpp>

#include <boost/test/unit_test.hpp>
#include <string>
#include <string_view>
#include <vector>

using vlm::crc32c;

namespace {

std::uint32_t of(std::string_view text) { return crc32c(std::as_bytes(std::span(text))); }

// One bit at a time, as the polynomial is defined.
std::uint32_t by_bits(std::string_view text) {
  std::uint32_t crc = 0xFFFFFFFFu;
  for (const char c : text) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1u ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
  }
  return ~crc;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(io_crc32c)

// The vectors of RFC 3720, B.4, and the customary check value.
BOOST_AUTO_TEST_CASE(published_vectors) {
  std::string rising, falling;
  for (int i = 0; i < 32; ++i) {
    rising += static_cast<char>(i);
    falling += static_cast<char>(31 - i);
  }
  BOOST_TEST(of(std::string(32, '\0')) == 0x8A9136AAu);
  BOOST_TEST(of(std::string(32, '\xff')) == 0x62A8AB43u);
  BOOST_TEST(of(rising) == 0x46DD794Eu);
  BOOST_TEST(of(falling) == 0x113FDB5Cu);
  BOOST_TEST(of("123456789") == 0xE3069283u);
  BOOST_TEST(of("") == 0u);
}

BOOST_AUTO_TEST_CASE(any_length_and_place_agrees_with_the_definition) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += static_cast<char>(i * 37 + 11);
  for (std::size_t first = 0; first < 9; ++first)
    for (std::size_t size = 0; first + size <= text.size(); ++size) {
      const std::string_view part = std::string_view(text).substr(first, size);
      BOOST_TEST(of(part) == by_bits(part));
    }
}

BOOST_AUTO_TEST_CASE(bytes_may_come_in_pieces) {
  const std::string_view text = "the quick brown fox jumps over the lazy dog";
  const auto bytes = std::as_bytes(std::span(text));
  for (std::size_t cut = 0; cut <= text.size(); ++cut)
    BOOST_TEST(crc32c(bytes.subspan(cut), crc32c(bytes.first(cut))) == of(text));
}

BOOST_AUTO_TEST_SUITE_END()
