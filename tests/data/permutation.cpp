#include <boost/test/unit_test.hpp>

#include <vlm/data/permutation.hpp>

#include <cstdint>
#include <vector>

using vlm::Permutation;

BOOST_AUTO_TEST_SUITE(data_permutation)

BOOST_AUTO_TEST_CASE(each_index_goes_to_one_place) {
  for (const std::uint64_t size : {1u, 2u, 3u, 4u, 5u, 7u, 16u, 17u, 63u, 64u, 65u, 257u, 1000u, 60000u}) {
    const Permutation order(size, 1, size);
    std::vector<bool> taken(size);
    for (std::uint64_t i = 0; i < size; ++i) {
      const std::uint64_t place = order(i);
      BOOST_TEST_REQUIRE(place < size);
      BOOST_TEST_REQUIRE(!taken[place]);
      taken[place] = true;
    }
  }
}

BOOST_AUTO_TEST_CASE(seed_and_stream_change_the_order) {
  const auto differences = [](const Permutation& a, const Permutation& b) {
    int count = 0;
    for (std::uint64_t i = 0; i < 1000; ++i) count += a(i) != b(i);
    return count;
  };
  const Permutation order(1000, 3, 4);
  BOOST_TEST(differences(order, Permutation(1000, 3, 4)) == 0);
  BOOST_TEST(differences(order, Permutation(1000, 3, 5)) > 950);
  BOOST_TEST(differences(order, Permutation(1000, 4, 4)) > 950);
}

BOOST_AUTO_TEST_CASE(places_are_spread_evenly) {
  // Over many streams an index goes everywhere equally often: chi-squared of 15 degrees of freedom; 45 is
  // exceeded once in ten thousand.
  for (const std::uint64_t index : {0u, 7u, 15u}) {
    std::vector<double> counts(16);
    for (std::uint64_t stream = 0; stream < 16000; ++stream) ++counts[Permutation(16, 1, stream)(index)];
    double deviation = 0;
    for (const double count : counts) deviation += (count - 1000) * (count - 1000) / 1000;
    BOOST_TEST(deviation < 45);
  }
}

BOOST_AUTO_TEST_CASE(large_sizes) {
  const std::uint64_t size = (std::uint64_t{1} << 40) + 12345;
  const Permutation order(size, 1, 2);
  for (std::uint64_t i = 0; i < 100; ++i) BOOST_TEST(order(i) < size);
}

BOOST_AUTO_TEST_SUITE_END()
