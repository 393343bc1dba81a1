#include <vlm/core/siphash.hpp>

#include <boost/test/unit_test.hpp>
#include <vector>

using namespace vlm;

namespace {

std::vector<std::byte> counting(std::size_t size) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<std::byte>(i));
  return bytes;
}
// The key of the authors' vectors: bytes 0 to 15.
SipHash keyed() { return SipHash(0x0706050403020100u, 0x0f0e0d0c0b0a0908u); }

Hash128 hash_of(const std::vector<std::byte>& bytes) {
  SipHash hash = keyed();
  hash.add(bytes);
  return hash.finish();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(core_siphash)

// The first of the authors' 128-bit vectors, as little-endian numbers.
BOOST_AUTO_TEST_CASE(published_vectors) {
  BOOST_TEST((hash_of(counting(0)) == Hash128{0xe6a825ba047f81a3u, 0x930255c71472f66du}));
  BOOST_TEST((hash_of(counting(1)) == Hash128{0x44af996bd8c187dau, 0x45fc229b11597634u}));
}

BOOST_AUTO_TEST_CASE(pieces_make_no_difference) {
  const std::vector<std::byte> bytes = counting(61);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    SipHash hash = keyed();
    hash.add(std::span(bytes).first(cut));
    hash.add(std::span(bytes).subspan(cut));
    BOOST_TEST((hash.finish() == hash_of(bytes)));
  }
}

BOOST_AUTO_TEST_CASE(every_bit_and_the_length_count) {
  std::vector<std::byte> bytes = counting(40);
  const Hash128 whole = hash_of(bytes);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    BOOST_TEST(!(hash_of(bytes) == whole));
    bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
  }
  bytes.push_back(std::byte{0});
  BOOST_TEST(!(hash_of(bytes) == whole));
}

BOOST_AUTO_TEST_SUITE_END()
