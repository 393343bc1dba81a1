#include <vlm/core/fixed_string.hpp>

#include <boost/test/unit_test.hpp>
#include <type_traits>

using namespace vlm;

namespace {

template <FixedString Name>
struct Named {
  static constexpr std::string_view name() { return Name.view(); }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(core_fixed_string)

BOOST_AUTO_TEST_CASE(is_a_template_argument) {
  BOOST_TEST(Named<"q_proj">::name() == "q_proj");
  BOOST_TEST(Named<"">::name() == "");
  static_assert(Named<"layers">::name().size() == 6);
}

// Equal text is one type, other text another, whatever its length.
BOOST_AUTO_TEST_CASE(text_decides_the_type) {
  static_assert(std::is_same_v<Named<"a">, Named<"a">>);
  static_assert(!std::is_same_v<Named<"a">, Named<"b">>);
  static_assert(!std::is_same_v<Named<"a">, Named<"ab">>);
  BOOST_TEST(Named<"a">::name() != Named<"ab">::name());
}

BOOST_AUTO_TEST_SUITE_END()
