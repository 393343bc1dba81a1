#include <vlm/nn/parameters.hpp>

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include <vlm/nn/chain.hpp>
#include <vlm/nn/linear.hpp>
#include <vlm/nn/named.hpp>
#include <vlm/nn/norm.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

template <class A, class B>
using Two = Chain<Named<"norm", RmsNorm<A>>, Named<"proj", Linear<B, true>>>;
template <class A, class B>
Two<A, B> two() {
  return {Named<"norm", RmsNorm<A>>(3, 1e-6f), Named<"proj", Linear<B, true>>(3, 5)};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_parameters)

BOOST_AUTO_TEST_CASE(all_are_bound_and_drawn) {
  auto layer = two<TrainedEnv, TrainedEnv>();
  LayerParameters parameters(layer, 7, 0.5f);
  BOOST_REQUIRE_EQUAL(parameters.tensors().size(), 3u);
  const LayerParameters::Tensor &norm = parameters.tensors()[0], &weight = parameters.tensors()[1],
                                &bias = parameters.tensors()[2];
  BOOST_TEST(norm.name == "norm.weight");
  BOOST_TEST(weight.name == "proj.weight");
  BOOST_TEST(bias.name == "proj.bias");
  BOOST_TEST(weight.shape == (std::vector<Index>{5, 3}));
  for (float v : norm.value) BOOST_TEST(v == 1.0f);
  for (float v : bias.value) BOOST_TEST(v == 0.0f);
  BOOST_TEST(weight.value[4] == 0.5f * Random(7, "proj.weight").normal(4));
  BOOST_TEST(layer.second.weight.data() == weight.value.data());
  BOOST_TEST(layer.second.weight.gradient().data == weight.gradient.data());
  BOOST_TEST(layer.second.bias.gradient().data == bias.gradient.data());
}

BOOST_AUTO_TEST_CASE(what_is_frozen_has_no_gradient_memory) {
  auto none = two<PassingEnv, InertEnv>();
  BOOST_TEST(LayerParameters(none).gradient_bytes() == 0u);
  auto half = two<TrainedEnv, PassingEnv>();
  LayerParameters parameters(half);
  BOOST_TEST(parameters.gradient_bytes() == 64u);  // three numbers, in whole cache lines
  BOOST_TEST(parameters.tensors()[0].gradient.size() == 3u);
  BOOST_TEST(parameters.tensors()[1].gradient.empty());
  BOOST_TEST(!half.second.weight.gradient());
}

BOOST_AUTO_TEST_CASE(gradients_begin_at_zero_and_return_there) {
  auto layer = two<TrainedEnv, TrainedEnv>();
  LayerParameters parameters(layer);
  for (int round = 0; round < 2; ++round) {
    for (const auto& tensor : parameters.tensors())
      for (float& g : tensor.gradient) {
        BOOST_TEST(g == 0.0f);
        g = 3;
      }
    parameters.zero_gradients();
  }
}

BOOST_AUTO_TEST_CASE(impossible_sizes_are_refused) {
  for (const Index size : {Index{-1}, Index{1} << 40}) {
    Linear<TrainedEnv> layer(size, Index{1} << 30);
    const std::string text =
        "vlm::ConfigError [layer-size]\n  tensor    weight\n  expected  sizes that memory can hold\n  got    "
        "   [1073741824, " +
        std::to_string(size) + "]\n  try       the sizes with which the layer was made";
    BOOST_CHECK_EXCEPTION(LayerParameters{layer}, ConfigError,
                          [&](const ConfigError& error) { return error.what() == text; });
  }
}

BOOST_AUTO_TEST_SUITE_END()
