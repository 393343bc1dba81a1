#include <vlm/core/queue.hpp>

#include <boost/test/unit_test.hpp>
#include <string_view>
#include <vector>

using namespace vlm;

BOOST_AUTO_TEST_SUITE(core_queue)

BOOST_AUTO_TEST_CASE(takes_threads_and_level) {
  Queue<Cpu> queue(3, IsaLevel::Portable);
  BOOST_TEST(queue.threads() == 3);
  BOOST_TEST((queue.level() == IsaLevel::Portable));
  std::vector<int> seen(100);
  queue.parallel(100, [&](Index task, int) { ++seen[static_cast<std::size_t>(task)]; });
  BOOST_TEST(seen == std::vector<int>(100, 1), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(stands_at_the_best_level_of_the_machine) {
  BOOST_TEST((Queue<Cpu>(1).level() == best_isa_level()));
}

BOOST_AUTO_TEST_CASE(levels_have_names) {
  BOOST_TEST(std::string_view(name_of(IsaLevel::Portable)) == "portable");
  BOOST_TEST(std::string_view(name_of(IsaLevel::Avx2)) == "AVX2");
  BOOST_TEST(std::string_view(name_of(IsaLevel::Avx512)) == "AVX-512");
}

// A level above the machine's would end in an illegal instruction.
BOOST_AUTO_TEST_CASE(a_level_that_the_machine_lacks_is_refused) {
  const auto above = static_cast<IsaLevel>(static_cast<int>(best_isa_level()) + 1);
  if (above > IsaLevel::Avx512) {
    BOOST_TEST((Queue<Cpu>(1, IsaLevel::Avx512).level() == IsaLevel::Avx512));
    return;
  }
  BOOST_CHECK_EXCEPTION(Queue<Cpu>(1, above), DeviceError, [&](const DeviceError& error) {
    return std::string(error.what()) == std::string("vlm::DeviceError [isa-level]\n  expected  at most ") +
                                            name_of(best_isa_level()) + "\n  got       " + name_of(above) +
                                            "\n  try       a level that this processor has";
  });
}

BOOST_AUTO_TEST_CASE(scratch_is_seen_as_any_type) {
  alignas(64) std::byte bytes[64];
  const Scratch scratch{bytes, sizeof bytes};
  scratch.as<float>()[3] = 2.5f;
  BOOST_TEST(static_cast<void*>(scratch.as<double>()) == static_cast<void*>(bytes));
  BOOST_TEST(scratch.as<float>()[3] == 2.5f);
  BOOST_TEST(Scratch{}.as<float>() == nullptr);
}

BOOST_AUTO_TEST_CASE(a_cuda_queue_holds_its_stream) {
  BOOST_TEST(Queue<Cuda>().stream() == nullptr);
  auto* stream = reinterpret_cast<CUstream_st*>(std::uintptr_t{64});
  BOOST_TEST(Queue<Cuda>(stream).stream() == stream);
}

BOOST_AUTO_TEST_SUITE_END()
