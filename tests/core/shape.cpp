#include <vlm/core/shape.hpp>

#include <boost/test/unit_test.hpp>
#include <type_traits>
#include <vector>

using namespace vlm;

BOOST_AUTO_TEST_SUITE(core_shape)

BOOST_AUTO_TEST_CASE(counts_elements) {
  constexpr Shape<3> shape{{2, 3, 5}};
  static_assert(shape.count() == 30);
  BOOST_TEST(shape[2] == 5);
  BOOST_TEST((Shape<2>{{0, 7}}.count()) == 0);
  static_assert(std::is_same_v<decltype(Shape{1, 2}), Shape<2>>);
}

BOOST_AUTO_TEST_CASE(compares_extents) {
  BOOST_TEST((Shape<2>{{2, 3}} == Shape<2>{{2, 3}}));
  BOOST_TEST((Shape<2>{{2, 3}} != Shape<2>{{3, 2}}));
}

BOOST_AUTO_TEST_CASE(prints_like_a_list) {
  BOOST_TEST(shape_text(Shape<2>{{2048, 6144}}) == "[2048, 6144]");
  BOOST_TEST(shape_text(Shape<1>{{7}}) == "[7]");
  BOOST_TEST(shape_text(std::vector<Index>{}) == "[]");
  BOOST_TEST(shape_text(std::vector<Index>{1, 2, 3}) == "[1, 2, 3]");
}

BOOST_AUTO_TEST_SUITE_END()
