// What the measurement runs is what it counts; that the rate itself is plausible cannot be tested on a busy machine.
#include <vlm/ops/multiply_add_rate.hpp>

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <vector>

#include <vlm/core/config.hpp>
#include <vlm/ops/cpu/multiply_add_rate.hpp>

using namespace vlm;

BOOST_AUTO_TEST_SUITE(ops_multiply_add_rate)

// Every chain runs all of its steps: sum = sum * factor + addend tends to addend / (1 - factor), from any start.
BOOST_AUTO_TEST_CASE(the_kernel_computes_all_chains) {
  using Kernel = cpu::MultiplyAddKernel;
  for (int level = 0; level <= static_cast<int>(best_isa_level()); ++level) {
    std::vector<float> values(static_cast<std::size_t>(Kernel::values), 5.0f);
    cpu::dispatch<Kernel>(static_cast<IsaLevel>(level), values.data());
    const double limit = static_cast<double>(Kernel::addend) / (1.0 - static_cast<double>(Kernel::factor));
    const int lanes =
        static_cast<int>(Kernel::flop(static_cast<IsaLevel>(level)) / (2.0 * Kernel::chains * Kernel::steps));
    for (int i = 0; i < lanes; ++i)
      BOOST_TEST(static_cast<double>(values[static_cast<std::size_t>(i)]) == Kernel::chains * limit,
                 boost::test_tools::tolerance(1e-3));
    BOOST_TEST(values[static_cast<std::size_t>(lanes)] == 5.0f);
  }
}

BOOST_AUTO_TEST_CASE(a_rate_is_measured) {
  Queue<Cpu> queue(2);
  const double rate = multiply_add_rate(queue);
  BOOST_TEST(std::isfinite(rate));
  BOOST_TEST(rate > 0);
}

BOOST_AUTO_TEST_SUITE_END()
