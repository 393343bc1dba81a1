#include <vlm/ops/cpu/lanes.hpp>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

using namespace vlm;

namespace {

template <bool OfTwo>
struct PowersKernel {
  template <int W>
  VLM_INLINE static void run(float* values, Index count) {
    for (Index i = 0; i + W <= count; i += W) {
      cpu::Floats<W> lanes;
      cpu::load<W>(lanes, values + i);
      if constexpr (OfTwo)
        cpu::power_of_two<W>(lanes);
      else
        cpu::exponential<W>(lanes);
      cpu::store<W>(values + i, lanes);
    }
  }
};

// Of a multiple of 16 values.
std::vector<float> exponentials(IsaLevel level, std::vector<float> values) {
  cpu::dispatch<PowersKernel<false>>(level, values.data(), static_cast<Index>(values.size()));
  return values;
}
std::vector<float> powers_of_two(IsaLevel level, std::vector<float> values) {
  cpu::dispatch<PowersKernel<true>>(level, values.data(), static_cast<Index>(values.size()));
  return values;
}

std::vector<IsaLevel> levels() {
  std::vector<IsaLevel> result;
  for (int level = 0; level <= static_cast<int>(best_isa_level()); ++level)
    result.push_back(static_cast<IsaLevel>(level));
  return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_lanes)

BOOST_AUTO_TEST_CASE(exponential_is_accurate) {
  std::vector<float> x(1 << 18);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = -86.9f + 175.6f * static_cast<float>(i) / static_cast<float>(x.size());
  for (IsaLevel level : levels()) {
    const std::vector<float> y = exponentials(level, x);
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double exact = std::exp(static_cast<double>(x[i]));
      worst = std::fmax(worst, std::fabs(static_cast<double>(y[i]) - exact) / exact);
    }
    BOOST_TEST(worst < 2e-7, name_of(level) << " has error " << worst);
  }
}

BOOST_AUTO_TEST_CASE(exponential_at_its_limits) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> x(16);
  const float special[] = {0, -0.0f, -87, -88, -1e30f, -infinity, 88.73f, 100, 1e30f, infinity, 88.7f};
  std::copy(std::begin(special), std::end(special), x.begin());
  // Numbers that are none, with and without a sign and a payload.
  const std::uint32_t none[] = {0x7fc00000, 0xffc00000, 0xffffffff, 0x7fc001ff};
  std::memcpy(x.data() + 11, none, sizeof none);
  for (IsaLevel level : levels()) BOOST_TEST_CONTEXT("at level " << name_of(level)) {
      const std::vector<float> y = exponentials(level, x);
      for (std::size_t i = 0; i < 2; ++i) BOOST_TEST(y[i] == 1.0f);
      for (std::size_t i = 2; i < 6; ++i) BOOST_TEST(y[i] == 0.0f);
      for (std::size_t i = 6; i < 10; ++i) BOOST_TEST(y[i] == infinity);
      BOOST_TEST(std::isfinite(y[10]));
      for (std::size_t i = 11; i < 15; ++i) BOOST_TEST(std::isnan(y[i]));
    }
}

BOOST_AUTO_TEST_CASE(power_of_two_is_accurate) {
  std::vector<float> x(1 << 18);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = -126.4f + 253.8f * static_cast<float>(i) / static_cast<float>(x.size());
  for (IsaLevel level : levels()) {
    const std::vector<float> y = powers_of_two(level, x);
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double exact = std::exp2(static_cast<double>(x[i]));
      worst = std::fmax(worst, std::fabs(static_cast<double>(y[i]) - exact) / exact);
    }
    BOOST_TEST(worst < 3e-7, name_of(level) << " has error " << worst);
  }
}

BOOST_AUTO_TEST_CASE(power_of_two_at_its_limits) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> x(16);
  const float special[] = {0, -0.0f, -127, -1e30f, -infinity, 128, 1e30f, infinity};
  std::copy(std::begin(special), std::end(special), x.begin());
  const std::uint32_t none[] = {0x7fc00000, 0xffc00000, 0xffffffff, 0x7fc001ff};
  std::memcpy(x.data() + 8, none, sizeof none);
  for (IsaLevel level : levels()) BOOST_TEST_CONTEXT("at level " << name_of(level)) {
      const std::vector<float> y = powers_of_two(level, x);
      for (std::size_t i = 0; i < 2; ++i) BOOST_TEST(y[i] == 1.0f);
      for (std::size_t i = 2; i < 5; ++i) BOOST_TEST(y[i] == 0.0f);
      for (std::size_t i = 5; i < 8; ++i) BOOST_TEST(y[i] == infinity);
      for (std::size_t i = 8; i < 12; ++i) BOOST_TEST(std::isnan(y[i]));
    }
}

BOOST_AUTO_TEST_CASE(exponential_is_the_same_in_every_lane) {
  for (IsaLevel level : levels())
    for (const float value : {0.1f, -3.7f, 42.0f}) {
      const std::vector<float> y = exponentials(level, std::vector<float>(16, value));
      for (const float one : y) BOOST_TEST(one == y[0]);
    }
}

BOOST_AUTO_TEST_SUITE_END()
