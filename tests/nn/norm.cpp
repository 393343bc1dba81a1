#include <vlm/nn/norm.hpp>

#include <boost/test/unit_test.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

BOOST_AUTO_TEST_SUITE(nn_norm)

BOOST_AUTO_TEST_CASE(rms_norm_gradients) {
  for (const Index features : {1, 8, 37})
    check_layer(RmsNorm<TrainedEnv>(features, 1e-6f), RmsNorm<PassingEnv>(features, 1e-6f),
                {.features = features});
}

// Each head of a row by itself, with one weight for all heads.
BOOST_AUTO_TEST_CASE(rms_norm_of_heads_gradients) {
  const RmsNorm<TrainedEnv> heads(24, 8, 1e-6f);
  check_layer(heads, RmsNorm<PassingEnv>(24, 8, 1e-6f), {.features = 24});
  BOOST_TEST(heads.weight.shape()[0] == 8);
  BOOST_TEST(heads.out_shape(3)[1] == 24);
}

BOOST_AUTO_TEST_CASE(layer_norm_gradients) {
  for (const Index features : {2, 8, 37})
    check_layer(LayerNorm<TrainedEnv>(features, 1e-6f), LayerNorm<PassingEnv>(features, 1e-6f),
                {.features = features});
}

BOOST_AUTO_TEST_CASE(first_values_leave_a_normed_row_as_it_is) {
  BOOST_TEST((RmsNorm<TrainedEnv>(8, 1e-6f).weight.initial() == Initial::One));
  const LayerNorm<TrainedEnv> norm(8, 1e-6f);
  BOOST_TEST((norm.weight.initial() == Initial::One && norm.bias.initial() == Initial::Zero));
}

BOOST_AUTO_TEST_SUITE_END()
