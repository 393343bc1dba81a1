#include <vlm/io/base64.hpp>

#include <boost/test/unit_test.hpp>

using vlm::encode_base64;

BOOST_AUTO_TEST_SUITE(io_base64)

// RFC 4648, section 10.
BOOST_AUTO_TEST_CASE(the_vectors_of_the_standard) {
  BOOST_TEST(encode_base64("") == "");
  BOOST_TEST(encode_base64("f") == "Zg==");
  BOOST_TEST(encode_base64("fo") == "Zm8=");
  BOOST_TEST(encode_base64("foo") == "Zm9v");
  BOOST_TEST(encode_base64("foob") == "Zm9vYg==");
  BOOST_TEST(encode_base64("fooba") == "Zm9vYmE=");
  BOOST_TEST(encode_base64("foobar") == "Zm9vYmFy");
}

BOOST_AUTO_TEST_CASE(bytes_above_127) { BOOST_TEST(encode_base64("\xff\xfe\xfb") == "//77"); }

BOOST_AUTO_TEST_SUITE_END()
