#include <vlm/core/config.hpp>

#include <boost/test/unit_test.hpp>
#include <string>

BOOST_AUTO_TEST_SUITE(core_config)

BOOST_AUTO_TEST_CASE(version_is_one) {
  const std::string parts = std::to_string(VLM_VERSION_MAJOR) + "." + std::to_string(VLM_VERSION_MINOR) +
                            "." + std::to_string(VLM_VERSION_PATCH);
  BOOST_TEST(parts == VLM_VERSION);
}

BOOST_AUTO_TEST_SUITE_END()
