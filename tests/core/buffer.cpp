#include <vlm/core/buffer.hpp>

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <limits>

using namespace vlm;

BOOST_AUTO_TEST_SUITE(core_buffer)

BOOST_AUTO_TEST_CASE(is_aligned_and_zero) {
  const Buffer<Cpu> buffer(1001);
  BOOST_TEST(buffer.size() == 1001u);
  BOOST_TEST(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64 == 0u);
  for (std::size_t i = 0; i < buffer.size(); ++i) BOOST_REQUIRE(buffer.data()[i] == std::byte{0});
}

BOOST_AUTO_TEST_CASE(moves_its_bytes) {
  Buffer<Cpu> from(64);
  std::byte* bytes = from.data();
  Buffer<Cpu> to(std::move(from));
  BOOST_TEST(to.data() == bytes);
  Buffer<Cpu> last;
  last = std::move(to);
  BOOST_TEST(last.data() == bytes);
  BOOST_TEST(last.size() == 64u);
}

BOOST_AUTO_TEST_CASE(empty_buffers_hold_nothing) {
  BOOST_TEST(Buffer<Cpu>(0).data() == nullptr);
  BOOST_TEST(Buffer<Cpu>().size() == 0u);
}

BOOST_AUTO_TEST_CASE(impossible_sizes_are_refused) {
  // More than any address.
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  BOOST_CHECK_EXCEPTION(Buffer<Cpu>{most}, DeviceError, [](const DeviceError& error) {
    return std::string(error.what()) == "vlm::DeviceError [out-of-memory]\n  device    cpu\n  expected  " +
                                            std::to_string(most) +
                                            " bytes\n  try       a smaller batch, context or model";
  });
}

BOOST_AUTO_TEST_SUITE_END()
