#include <vlm/nn/linear.hpp>

#include <boost/test/unit_test.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

BOOST_AUTO_TEST_SUITE(nn_linear)

BOOST_AUTO_TEST_CASE(gradients) {
  for (const Index outputs : {1, 7, 40}) {
    check_layer(Linear<TrainedEnv>(9, outputs), Linear<PassingEnv>(9, outputs), {.features = 9});
    check_layer(Linear<TrainedEnv, true>(9, outputs), Linear<PassingEnv, true>(9, outputs), {.features = 9});
  }
}

BOOST_AUTO_TEST_CASE(multiplies_by_the_transposed_weight_and_adds_the_bias) {
  Linear<InertEnv, true> layer(3, 2);
  const float weight[] = {1, 2, 3, 4, 5, 6}, bias[] = {10, 20}, x[] = {1, 0, -1, 2, 2, 2};
  layer.weight.bind(weight, DType::F32);
  layer.bias.bind(bias, DType::F32);
  float y[4];
  Runtime<Cpu> runtime(1);
  const auto pass = [&] {
    Linear<InertEnv, true>::Saved saved;
    layer.forward(runtime, {x, Shape<2>{{2, 3}}}, {y, Shape<2>{{2, 2}}}, saved);
  };
  runtime.plan(pass);
  pass();
  BOOST_TEST(y == (std::vector<float>{8, 18, 22, 50}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(adds_to_the_gradient_of_its_input_when_asked) {
  Linear<PassingEnv> layer(2, 2);
  const float weight[] = {1, 2, 3, 4}, dy[] = {1, 1};
  layer.weight.bind(weight, DType::F32);
  float dx[] = {100, 200};
  Runtime<Cpu> runtime(1);
  const auto pass = [&](bool add) {
    layer.backward(runtime, {}, {dy, Shape<2>{{1, 2}}}, View<float, 2, Cpu>(dx, Shape<2>{{1, 2}}), add);
  };
  runtime.plan([&] { pass(true); });
  pass(true);
  BOOST_TEST(dx == (std::vector<float>{104, 206}), boost::test_tools::per_element());
  pass(false);
  BOOST_TEST(dx == (std::vector<float>{4, 6}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(without_a_bias_there_is_none) {
  static_assert(sizeof(Linear<InertEnv>) < sizeof(Linear<InertEnv, true>));
  Linear<InertEnv, true> kernel(12, 4, std::vector<Index>{4, 3, 2, 2});
  BOOST_TEST(kernel.weight.stored_shape() == (std::vector<Index>{4, 3, 2, 2}));
  BOOST_TEST(kernel.out_shape(5)[0] == 5);
  BOOST_TEST(kernel.out_shape(5)[1] == 4);
  BOOST_TEST((kernel.bias.initial() == Initial::Zero));
}

BOOST_AUTO_TEST_SUITE_END()
