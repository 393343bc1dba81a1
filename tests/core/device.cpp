#include <vlm/core/device.hpp>

#include <boost/test/unit_test.hpp>
#include <string_view>
#include <type_traits>

BOOST_AUTO_TEST_SUITE(core_device)

BOOST_AUTO_TEST_CASE(tags_are_empty_and_named) {
  static_assert(std::is_empty_v<vlm::Cpu> && std::is_empty_v<vlm::Cuda>);
  BOOST_TEST(std::string_view(vlm::Cpu::name) == "cpu");
  BOOST_TEST(std::string_view(vlm::Cuda::name) == "cuda");
}

BOOST_AUTO_TEST_SUITE_END()
