#include <vlm/nn/mlp.hpp>

#include <boost/test/unit_test.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

BOOST_AUTO_TEST_SUITE(nn_mlp)

BOOST_AUTO_TEST_CASE(mlp2_gradients) {
  check_layer(Mlp2<TrainedEnv, Gelu::Tanh>(6, 10, 7), Mlp2<PassingEnv, Gelu::Tanh>(6, 10, 7),
              {.features = 6});
  check_layer(Mlp2<TrainedEnv, Gelu::Erf>(6, 10, 7), Mlp2<PassingEnv, Gelu::Erf>(6, 10, 7), {.features = 6});
}

BOOST_AUTO_TEST_CASE(the_two_gelus_differ_a_little) {
  const auto tanh = differentiate(Mlp2<TrainedEnv, Gelu::Tanh>(6, 10, 7), {.features = 6}).y;
  const auto erf = differentiate(Mlp2<TrainedEnv, Gelu::Erf>(6, 10, 7), {.features = 6}).y;
  float largest = 0;
  for (std::size_t i = 0; i < tanh.size(); ++i) largest = std::max(largest, std::abs(tanh[i] - erf[i]));
  BOOST_TEST(largest > 1e-5f);
  BOOST_TEST(largest < 1e-2f);
}

BOOST_AUTO_TEST_CASE(swiglu_gradients) {
  for (const Index inner : {1, 16, 33})
    check_layer(SwiGlu<TrainedEnv>(8, inner), SwiGlu<PassingEnv>(8, inner), {.features = 8});
}

BOOST_AUTO_TEST_SUITE_END()
