#include <vlm/nn/residual.hpp>

#include <boost/test/unit_test.hpp>

#include <vlm/nn/linear.hpp>
#include <vlm/nn/norm.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

template <class N, class B>
Residual<RmsNorm<N>, Linear<B>> residual() {
  return {RmsNorm<N>(6, 1e-6f), Linear<B>(6, 6)};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_residual)

BOOST_AUTO_TEST_CASE(gradients) {
  check_layer(residual<TrainedEnv, TrainedEnv>(), residual<PassingEnv, PassingEnv>(), {.features = 6});
  require_gradients(residual<PassingEnv, TrainedEnv>(), {.features = 6});
  require_gradients(residual<TrainedEnv, PassingEnv>(), {.features = 6});
}

BOOST_AUTO_TEST_CASE(a_frozen_norm_is_left_out_when_nobody_wants_dx) {
  const Result wanted_dx = differentiate(residual<PassingEnv, TrainedEnv>(), {.features = 6});
  check_same(differentiate<Nothing>(residual<PassingEnv, TrainedEnv>(), {.features = 6}), wanted_dx, 1);
}

BOOST_AUTO_TEST_CASE(adds_the_body_to_its_input) {
  auto layer = residual<InertEnv, InertEnv>();
  const std::vector<float> ones(6, 1.0f), zeros(36, 0.0f);
  layer.norm.weight.bind(ones.data(), DType::F32);
  layer.body.weight.bind(zeros.data(), DType::F32);
  const float x[6] = {1, 2, 3, 4, 5, 6};
  float y[6] = {};
  Runtime<Cpu> runtime(1);
  const auto pass = [&] {
    Residual<RmsNorm<InertEnv>, Linear<InertEnv>>::Saved saved;
    layer.forward(runtime, {x, Shape<2>{{1, 6}}}, {y, Shape<2>{{1, 6}}}, saved);
  };
  runtime.plan(pass);
  pass();
  BOOST_TEST(y == x, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
