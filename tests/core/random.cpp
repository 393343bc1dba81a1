#include <vlm/core/random.hpp>

#include <boost/test/unit_test.hpp>
#include <vector>

using namespace vlm;

BOOST_AUTO_TEST_SUITE(core_random)

// The published outputs of SplitMix64 from seed 0, and of FNV-1a.
BOOST_AUTO_TEST_CASE(published_values) {
  BOOST_TEST(mix_bits(0x9E3779B97F4A7C15u) == 0xE220A8397B1DCDAFu);
  BOOST_TEST(mix_bits(2 * 0x9E3779B97F4A7C15u) == 0x6E789E6AA1B965F4u);
  BOOST_TEST(mix_bits(3 * 0x9E3779B97F4A7C15u) == 0x06C45D188009454Fu);
  BOOST_TEST(hash_text("") == 0xCBF29CE484222325u);
  BOOST_TEST(hash_text("a") == 0xAF63DC4C8601EC8Cu);
  BOOST_TEST(hash_text("foobar") == 0x85944171F73967E8u);
}

BOOST_AUTO_TEST_CASE(a_number_depends_on_seed_stream_and_place_alone) {
  const Random random(1, "dropout");
  const std::uint64_t fifth = random.bits(5);
  BOOST_TEST(random.bits(6) != fifth);
  BOOST_TEST(random.bits(5) == fifth);
  BOOST_TEST(Random(1, hash_text("dropout")).bits(5) == fifth);
  BOOST_TEST(Random(2, "dropout").bits(5) != fifth);
  BOOST_TEST(Random(1, "mix").bits(5) != fifth);
}

BOOST_AUTO_TEST_CASE(uniform_fills_its_interval) {
  const Random random(3, "uniform");
  double sum = 0;
  std::vector<int> tenths(10);
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const float value = random.uniform(i);
    BOOST_REQUIRE(value >= 0);
    BOOST_REQUIRE(value < 1);
    sum += static_cast<double>(value) / 20000;
    ++tenths[static_cast<std::size_t>(value * 10)];
  }
  BOOST_TEST(std::fabs(sum - 0.5) < 0.01);
  for (const int count : tenths) BOOST_TEST(std::abs(count - 2000) < 200);
}

BOOST_AUTO_TEST_CASE(below_reaches_every_number) {
  const Random random(4, "below");
  std::vector<int> counts(7);
  for (std::uint64_t i = 0; i < 7000; ++i) {
    const std::uint64_t value = random.below(i, 7);
    BOOST_REQUIRE(value < 7u);
    ++counts[value];
  }
  for (const int count : counts) BOOST_TEST(std::abs(count - 1000) < 150);
  BOOST_TEST(random.below(0, 1) == 0u);
}

BOOST_AUTO_TEST_CASE(normal_has_its_moments) {
  const Random random(5, "normal");
  double mean = 0, square = 0, fourth = 0;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const double value = static_cast<double>(random.normal(i));
    BOOST_REQUIRE(std::isfinite(value));
    mean += value / 20000;
    square += value * value / 20000;
    fourth += value * value * value * value / 20000;
  }
  BOOST_TEST(std::fabs(mean) < 0.03);
  BOOST_TEST(std::fabs(square - 1) < 0.05);
  BOOST_TEST(std::fabs(fourth - 3) < 0.3);
}

BOOST_AUTO_TEST_SUITE_END()
