#include <boost/test/unit_test.hpp>

#include <vlm/io/base64.hpp>

#include <string>
#include <utility>

BOOST_AUTO_TEST_SUITE(io_base64)

BOOST_AUTO_TEST_CASE(the_vectors_of_rfc_4648_with_and_without_padding) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"Zg==", "f"},
                                                         {"Zm8=", "fo"},
                                                         {"Zm9v", "foo"},
                                                         {"Zm9vYg==", "foob"},
                                                         {"Zm9vYmE=", "fooba"},
                                                         {"Zm9vYmFy", "foobar"}};
  for (const auto& [text, bytes] : vectors) {
    BOOST_TEST(vlm::encode_base64(bytes) == text);
    BOOST_TEST(vlm::decode_base64(text).value() == bytes);
    const std::string padded = text;
    BOOST_TEST(vlm::decode_base64(padded.substr(0, padded.find('='))).value() == bytes);
  }
  BOOST_TEST(vlm::decode_base64("+/+/").value() == "\xfb\xff\xbf");
}

BOOST_AUTO_TEST_CASE(bytes_above_127) { BOOST_TEST(vlm::encode_base64("\xff\xfe\xfb") == "//77"); }

BOOST_AUTO_TEST_CASE(other_texts_are_none) {
  for (const char* text : {"Z", "Zm9vY", "Zm9*", "Zm 9", "Z===", "=", "Zg==Zg=="})
    BOOST_TEST(!vlm::decode_base64(text), text);
}

BOOST_AUTO_TEST_SUITE_END()
