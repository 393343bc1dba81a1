// Vectors that do not write their elements before the user does.
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <vector>

#include <vlm/core/unzeroed.hpp>

BOOST_AUTO_TEST_SUITE(core_unzeroed)

BOOST_AUTO_TEST_CASE(values_that_are_given_are_kept) {
  std::vector<int, vlm::Unzeroed<int>> numbers(3, 7);
  numbers.resize(100000, 5);
  numbers.push_back(9);
  BOOST_TEST(numbers[2] == 7);
  BOOST_TEST(numbers[99999] == 5);
  BOOST_TEST(numbers.back() == 9);
  BOOST_TEST((numbers == std::vector<int, vlm::Unzeroed<int>>(numbers)));
}

BOOST_AUTO_TEST_CASE(memory_is_aligned) {
  for (const std::size_t count : {1u, 1000u, 3u << 20}) {
    const std::vector<float, vlm::Unzeroed<float>> values(count);
    BOOST_TEST(reinterpret_cast<std::uintptr_t>(values.data()) % 64 == 0u);
  }
}

BOOST_AUTO_TEST_CASE(too_much) {
  vlm::Unzeroed<double> memory;
  BOOST_CHECK_THROW(memory.allocate(std::numeric_limits<std::size_t>::max() / 4), std::bad_alloc);
}

BOOST_AUTO_TEST_SUITE_END()
