// Flush-to-zero is the caller's choice: the workers of a pool run in the mode of the thread that made it.
#include <boost/test/unit_test.hpp>

#if defined(__x86_64__)
#include <xmmintrin.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include <vlm/core/runtime.hpp>
#include <vlm/ops/add.hpp>
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#endif

using namespace vlm;

namespace {

constexpr unsigned flush = 0x8040;  // subnormal results and subnormal operands count as zero

class FloatMode {
 public:
  explicit FloatMode(unsigned bits) : before_(_mm_getcsr()) { _mm_setcsr((before_ & ~flush) | bits); }
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;
  ~FloatMode() { _mm_setcsr(before_); }

 private:
  unsigned before_;
};

// Sums of a normal and a subnormal number, all below the smallest normal one, as bits.
std::vector<std::uint32_t> small_sums(int threads) {
  constexpr Index rows = 200, features = 257;
  constexpr float smallest = std::numeric_limits<float>::min();
  std::vector<float> a, b, into(rows * features);
  for (Index i = 0; i < rows * features; ++i) {
    a.push_back(smallest * (1 + static_cast<float>(i) / (rows * features)));
    b.push_back(-smallest);
  }
  const Shape<2> shape{{rows, features}};
  Runtime<Cpu> runtime(threads);
  runtime.run(Add<Cpu, float>{.into = {into.data(), shape}, .a = {a.data(), shape}, .b = {b.data(), shape}});
  std::vector<std::uint32_t> bits(into.size());
  std::memcpy(bits.data(), into.data(), into.size() * sizeof(float));
  return bits;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_float_mode)

BOOST_AUTO_TEST_CASE(workers_inherit_the_mode_of_the_thread_that_makes_the_pool) {
  for (const unsigned bits : {0u, 0x8000u, 0x0040u, flush}) {
    const FloatMode mode(bits);
    ThreadPool pool(4);
    std::vector<unsigned> seen(1000, 1);
    pool.parallel(1000,
                  [&](Index task, int) { seen[static_cast<std::size_t>(task)] = _mm_getcsr() & flush; });
    BOOST_TEST(seen == std::vector<unsigned>(1000, bits), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(in_either_mode_threads_change_no_bit) {
  for (const unsigned bits : {0u, flush}) {
    const FloatMode mode(bits);
    const std::vector<std::uint32_t> expected = small_sums(1);
    // Subnormal sums are kept or flushed, as the caller chose.
    BOOST_TEST((expected[1000] == 0) == (bits == flush));
    for (const int threads : {2, 7}) BOOST_TEST((small_sums(threads) == expected));
  }
}

BOOST_AUTO_TEST_SUITE_END()

#else
BOOST_AUTO_TEST_SUITE(ops_float_mode)
BOOST_AUTO_TEST_SUITE_END()
#endif
