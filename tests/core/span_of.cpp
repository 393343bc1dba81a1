#include <vlm/core/span_of.hpp>

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

using namespace vlm;

BOOST_AUTO_TEST_SUITE(core_span_of)

BOOST_AUTO_TEST_CASE(is_the_elements_of_a_container) {
  std::vector<int> numbers = {3, 5};
  const auto span = span_of(numbers);
  static_assert(std::is_same_v<decltype(span), const std::span<const int>>);
  BOOST_TEST(span.data() == numbers.data());
  BOOST_TEST(span.size() == 2u);
  BOOST_TEST(span_of(span).data() == numbers.data());
  BOOST_TEST(span_of(std::vector<std::string>{}).empty());
}

BOOST_AUTO_TEST_CASE(is_the_bytes_of_a_container) {
  const std::vector<std::uint16_t> numbers = {0x0101, 0x0202};
  const std::span<const std::byte> bytes = bytes_of(numbers);
  BOOST_TEST(static_cast<const void*>(bytes.data()) == static_cast<const void*>(numbers.data()));
  BOOST_TEST(bytes.size() == 4u);
  BOOST_TEST((bytes[3] == std::byte{2}));
  BOOST_TEST(bytes_of(std::string_view("abc")).size() == 3u);
  BOOST_TEST(bytes_of(std::string()).empty());
}

BOOST_AUTO_TEST_SUITE_END()
