#include <vlm/nn/fold.hpp>

#include <boost/test/unit_test.hpp>

#include "message_of.hpp"
#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

BOOST_AUTO_TEST_SUITE(nn_fold)

BOOST_AUTO_TEST_CASE(gradients) {
  check_layer(Fold<2, 2, TrainedEnv>(5), Fold<2, 2, PassingEnv>(5), {.rows = 12, .features = 5}, 4);
  check_layer(Fold<1, 3, TrainedEnv>(4), Fold<1, 3, PassingEnv>(4), {.rows = 6, .features = 4}, 3);
}

BOOST_AUTO_TEST_CASE(neighbouring_rows_stand_side_by_side) {
  const Fold<2, 2, InertEnv> fold(3);
  BOOST_TEST(fold.out_shape(8)[0] == 2);
  BOOST_TEST(fold.out_shape(8)[1] == 12);
  float x[24], y[24];
  for (int i = 0; i < 24; ++i) x[i] = static_cast<float>(i);
  Runtime<Cpu> runtime(1);
  Fold<2, 2, InertEnv>::Saved saved;
  fold.forward(runtime, {x, Shape<2>{{8, 3}}}, {y, Shape<2>{{2, 12}}}, saved);
  BOOST_TEST(y == x, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(folded_rows_must_be_dense) {
  const Fold<2, 2, InertEnv> fold(3);
  float x[24] = {}, wide[40] = {};
  Runtime<Cpu> runtime(1);
  Fold<2, 2, InertEnv>::Saved saved;
  const View<float, 2, Cpu> columns = View<float, 2, Cpu>(wide, Shape<2>{{2, 20}}).columns(0, 12);
  BOOST_TEST(message_of([&] { fold.forward(runtime, {x, Shape<2>{{8, 3}}}, columns, saved); }) ==
             "vlm::ShapeError [layer-rows]\n  at        Fold, folded rows\n  expected  a pitch of 12\n"
             "  got       20\n  try       rows of their own, not columns of wider ones");
}

BOOST_AUTO_TEST_CASE(has_no_parameters) {
  Fold<2, 2, TrainedEnv> fold(3);
  int count = 0;
  walk(fold, "", [&](const std::string&, auto&) { ++count; });
  BOOST_TEST(count == 0);
  static_assert(!Fold<2, 2, TrainedEnv>::trained);
}

BOOST_AUTO_TEST_SUITE_END()
