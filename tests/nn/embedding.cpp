#include <vlm/nn/embedding.hpp>

#include <boost/test/unit_test.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

BOOST_AUTO_TEST_SUITE(nn_embedding)

BOOST_AUTO_TEST_CASE(rows_are_looked_up_and_their_gradients_add) {
  Embedding<TrainedEnv> table(4, 2);
  const float values[] = {0, 1, 10, 11, 20, 21, 30, 31};
  float gradient[8] = {};
  gradient[2] = 100;
  table.weight.bind(values, DType::F32);
  table.weight.bind_gradient(gradient);
  const std::int32_t ids[] = {3, 1, 1};
  const View<const std::int32_t, 1, Cpu> at(ids, Shape<1>{{3}});
  float y[6];
  Runtime<Cpu> runtime(2);
  table.forward(runtime, at, {y, Shape<2>{{3, 2}}});
  BOOST_TEST(y == (std::vector<float>{30, 31, 10, 11, 10, 11}), boost::test_tools::per_element());
  const float dy[] = {1, 2, 3, 4, 5, 6};
  table.backward(runtime, at, {dy, Shape<2>{{3, 2}}});
  BOOST_TEST(gradient == (std::vector<float>{0, 0, 108, 10, 0, 0, 1, 2}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_bf16_table_is_widened) {
  Embedding<InertEnv> table(2, 1);
  const bf16 values[] = {bf16(1.5f), bf16(-3.0f)};
  table.weight.bind(values, DType::BF16);
  const std::int32_t ids[] = {1, 0};
  float y[2];
  Runtime<Cpu> runtime(1);
  table.forward(runtime, {ids, Shape<1>{{2}}}, {y, Shape<2>{{2, 1}}});
  BOOST_TEST(y == (std::vector<float>{-3.0f, 1.5f}), boost::test_tools::per_element());
}

// A frozen table takes a gradient and leaves it at that.
BOOST_AUTO_TEST_CASE(a_frozen_table_has_no_backward_to_run) {
  const Embedding<PassingEnv> table(4, 2);
  const PositionTable<PassingEnv> positions(4, 2);
  Runtime<Cpu> runtime(1);
  table.backward(runtime, {}, {});
  positions.backward(runtime, {}, {}, {});
  static_assert(!Embedding<PassingEnv>::trained && !PositionTable<PassingEnv>::trained);
  BOOST_TEST(!table.weight.gradient());
}

BOOST_AUTO_TEST_CASE(positions_add_four_weighted_rows) {
  PositionTable<TrainedEnv> table(4, 2);
  const float values[] = {1, 2, 3, 4, 5, 6, 7, 8};
  float gradient[8] = {1};
  table.weight.bind(values, DType::F32);
  table.weight.bind_gradient(gradient);
  const std::int32_t corners[] = {0, 1, 2, 3, 3, 3, 3, 3};
  const float weights[] = {0.5f, 0.25f, 0.125f, 0.125f, 1, 0, 0, 0};
  const View<const std::int32_t, 2, Cpu> at(corners, Shape<2>{{2, 4}});
  const View<const float, 2, Cpu> shares(weights, Shape<2>{{2, 4}});
  float y[4] = {100, 100, 200, 200};
  Runtime<Cpu> runtime(2);
  table.forward(runtime, at, shares, {y, Shape<2>{{2, 2}}});
  BOOST_TEST(y == (std::vector<float>{102.75f, 103.75f, 207, 208}), boost::test_tools::per_element());
  const float dy[] = {8, 0, 0, 1};
  table.backward(runtime, at, shares, {dy, Shape<2>{{2, 2}}});
  BOOST_TEST(gradient == (std::vector<float>{5, 0, 2, 0, 1, 0, 1, 1}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
