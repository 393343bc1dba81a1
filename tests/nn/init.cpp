#include <vlm/nn/init.hpp>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

using namespace vlm;

namespace {

std::vector<float> drawn(std::size_t count, Initial initial, std::uint64_t seed, std::string_view name) {
  std::vector<float> values(count, -7);
  initialise(values, initial, seed, name, 0.02f);
  return values;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_init)

BOOST_AUTO_TEST_CASE(zeros_and_ones) {
  BOOST_TEST(drawn(3, Initial::Zero, 1, "bias") == std::vector<float>(3, 0.0f));
  BOOST_TEST(drawn(3, Initial::One, 1, "weight") == std::vector<float>(3, 1.0f));
}

BOOST_AUTO_TEST_CASE(a_normal_distribution_of_the_asked_deviation) {
  const std::vector<float> values = drawn(20000, Initial::Normal, 1, "weight");
  double sum = 0, squares = 0;
  for (double v : values) sum += v, squares += v * v;
  BOOST_TEST(std::abs(sum / 20000) < 5e-4);
  BOOST_TEST(std::abs(std::sqrt(squares / 20000) - 0.02) < 4e-4);
}

BOOST_AUTO_TEST_CASE(values_depend_on_seed_and_name_alone) {
  const std::vector<float> values = drawn(10, Initial::Normal, 1, "a");
  BOOST_TEST(drawn(10, Initial::Normal, 1, "a") == values);
  BOOST_TEST(drawn(10, Initial::Normal, 2, "a") != values);
  BOOST_TEST(drawn(10, Initial::Normal, 1, "b") != values);
  const std::vector<float> longer = drawn(99, Initial::Normal, 1, "a");
  BOOST_TEST(std::vector<float>(longer.begin(), longer.begin() + 10) == values);
}

BOOST_AUTO_TEST_SUITE_END()
