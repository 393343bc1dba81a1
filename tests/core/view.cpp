#include <vlm/core/view.hpp>

#include <boost/test/unit_test.hpp>
#include <numeric>

using namespace vlm;

namespace {

struct Numbered {
  float values[24];
  Numbered() { std::iota(values, values + 24, 0.0f); }
  View<float, 2, Cpu> view() { return {values, Shape<2>{{4, 6}}}; }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(core_view)

BOOST_AUTO_TEST_CASE(rows_and_columns) {
  Numbered numbers;
  const View<float, 2, Cpu> view = numbers.view();
  BOOST_TEST(view.rows() == 4);
  BOOST_TEST(view.features() == 6);
  BOOST_TEST(view.count() == 24);
  BOOST_TEST(view.dense());
  BOOST_TEST(view(2, 3) == 15.0f);
  BOOST_TEST(view.row(3)[0] == 18.0f);
}

BOOST_AUTO_TEST_CASE(parts_share_memory) {
  Numbered numbers;
  const View<float, 2, Cpu> part = numbers.view().rows(1, 2).columns(2, 3);
  BOOST_TEST(part.rows() == 2);
  BOOST_TEST(part.features() == 3);
  BOOST_TEST(part.pitch == 6);
  BOOST_TEST(!part.dense());
  BOOST_TEST(part(1, 2) == 16.0f);
  part(0, 0) = -1;
  BOOST_TEST(numbers.values[8] == -1.0f);
  BOOST_TEST(part.rows(0, 1).dense());  // one row has no distance to the next
}

BOOST_AUTO_TEST_CASE(rank_one_and_three) {
  Numbered numbers;
  const View<float, 1, Cpu> line(numbers.values, Shape<1>{{24}});
  BOOST_TEST(line.features() == 1);
  BOOST_TEST(line.pitch == 1);
  BOOST_TEST(line.rows(5, 3)(1) == 6.0f);
  const View<float, 3, Cpu> cube(numbers.values, Shape<3>{{2, 3, 4}});
  BOOST_TEST(cube.pitch == 12);
  BOOST_TEST(cube.features() == 12);
  BOOST_TEST(cube.row(1)[0] == 12.0f);
}

BOOST_AUTO_TEST_CASE(empty_means_not_wanted) {
  const View<float, 2, Cpu> none, also_none = nothing;
  BOOST_TEST(!none);
  BOOST_TEST(!also_none);
  BOOST_TEST(none.count() == 0);
  BOOST_TEST(!none.rows(3, 2));
  BOOST_TEST(!none.columns(1, 2));
  static_assert(!wanted<Nothing> && !wanted<const Nothing&>);
  static_assert(wanted<View<float, 2, Cpu>>);
}

BOOST_AUTO_TEST_CASE(converts_to_const_only) {
  Numbered numbers;
  const View<float, 2, Cpu> part = numbers.view().columns(1, 2);
  const View<const float, 2, Cpu> constant = part;
  BOOST_TEST(constant.data == part.data);
  BOOST_TEST(constant.pitch == 6);
  BOOST_TEST(constant.extent[1] == 2);
  static_assert(std::is_convertible_v<View<float, 2, Cpu>, View<const float, 2, Cpu>>);
  static_assert(!std::is_convertible_v<View<const float, 2, Cpu>, View<float, 2, Cpu>>);
  static_assert(!std::is_convertible_v<View<float, 2, Cpu>, View<float, 2, Cuda>>);
  static_assert(!std::is_convertible_v<View<float, 2, Cpu>, View<const double, 2, Cpu>>);
}

BOOST_AUTO_TEST_CASE(prints_its_extents) {
  Numbered numbers;
  BOOST_TEST(shape_text(numbers.view()) == "[4, 6]");
}

BOOST_AUTO_TEST_SUITE_END()
