#include <vlm/nn/chain.hpp>

#include <boost/test/unit_test.hpp>

#include <vlm/nn/linear.hpp>
#include <vlm/nn/norm.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

template <class A, class B>
using Two = Chain<Linear<A>, Linear<B, true>>;
template <class A, class B>
Two<A, B> two() {
  return Two<A, B>(Linear<A>(4, 6), Linear<B, true>(6, 3));
}

// Its backward cannot be compiled: it must not be asked for.
struct WithoutBackward : Linear<InertEnv> {
  using Linear<InertEnv>::Linear;
  template <class Dx>
  void backward(On<InertEnv>, const Saved&, In<InertEnv>, Dx) const {
    static_assert(sizeof(Dx) == 0, "backward of an inert layer");
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_chain)

BOOST_AUTO_TEST_CASE(gradients) {
  check_layer(two<TrainedEnv, TrainedEnv>(), two<PassingEnv, PassingEnv>(), {.features = 4});
}

BOOST_AUTO_TEST_CASE(three_layers_in_a_row) {
  const auto three = [](auto e) {
    using E = decltype(e);
    return Chain<RmsNorm<E>, Linear<E>, LayerNorm<E>>(RmsNorm<E>(4, 1e-6f), Linear<E>(4, 5),
                                                      LayerNorm<E>(5, 1e-6f));
  };
  check_layer(three(TrainedEnv()), three(PassingEnv()), {.features = 4});
}

// The same numbers whichever part is frozen; a chain trains when one of its layers does.
BOOST_AUTO_TEST_CASE(parts_freeze_one_by_one) {
  const GradientSettings settings{.features = 4};
  require_gradients(two<TrainedEnv, PassingEnv>(), settings);
  require_gradients(two<PassingEnv, TrainedEnv>(), settings);
  static_assert(Two<TrainedEnv, PassingEnv>::trained && Two<PassingEnv, TrainedEnv>::trained);
  static_assert(!Two<PassingEnv, PassingEnv>::trained);
  // Visiting names "weight" twice here; the first one is the first layer's.
  const Result all = differentiate(two<TrainedEnv, TrainedEnv>(), settings);
  const Result first = differentiate(two<TrainedEnv, PassingEnv>(), settings);
  BOOST_TEST(first.gradients.size() == 2u);
  BOOST_TEST(same_bits(first.gradients[1].values, all.gradients[1].values));
}

BOOST_AUTO_TEST_CASE(nothing_before_the_first_trained_layer_runs_backward) {
  const Chain<WithoutBackward, Linear<TrainedEnv>> chain(WithoutBackward(4, 6), Linear<TrainedEnv>(6, 3));
  const Result result = differentiate<Nothing>(chain, {.features = 4});
  const Result all = differentiate(
      Chain<Linear<TrainedEnv>, Linear<TrainedEnv>>(Linear<TrainedEnv>(4, 6), Linear<TrainedEnv>(6, 3)),
      {.features = 4});
  BOOST_TEST(same_bits(result.gradients.at(1).values, all.gradients.at(2).values));
}

BOOST_AUTO_TEST_SUITE_END()
