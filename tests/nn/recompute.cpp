#include <vlm/nn/recompute.hpp>

#include <boost/test/unit_test.hpp>

#include <vlm/nn/attention.hpp>
#include <vlm/nn/chain.hpp>
#include <vlm/nn/mlp.hpp>
#include <vlm/nn/moe.hpp>
#include <vlm/nn/residual.hpp>
#include <vlm/nn/stack.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

template <class E, class Ffn>
struct Block : Chain<Residual<RmsNorm<E>, Attention<E>>, Residual<RmsNorm<E>, Named<"mlp", Ffn>>> {
  template <class... Sizes>
  explicit Block(Sizes... n)
      : Chain<Residual<RmsNorm<E>, Attention<E>>, Residual<RmsNorm<E>, Named<"mlp", Ffn>>>(
            {RmsNorm<E>(8, 1e-6f),
             Attention<E>(AttentionSizes{.features = 8, .heads = 2, .kv_heads = 1, .head_dim = 8})},
            {RmsNorm<E>(8, 1e-6f), Named<"mlp", Ffn>(n...)}) {}
};
template <class E>
using DenseBlock = Block<E, SwiGlu<E>>;
template <class E>
using SparseBlock = Block<E, SparseMoe<E>>;

constexpr MoeSizes experts{.features = 8, .intermediate = 6, .experts = 4, .chosen = 2};

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_recompute)

BOOST_AUTO_TEST_CASE(gives_the_same_bits) {
  const Packed packed({0, 4, 7}, 8);
  const GradientSettings settings{
      .rows = 7, .features = 8, .sequences = packed.sequences(true), .elements = 3};
  using E = TrainedEnv;
  for (const int threads : {1, 2}) {
    check_same(differentiate(Recompute<DenseBlock<E>>(Index{8}, Index{12}), settings, threads),
               differentiate(DenseBlock<E>(Index{8}, Index{12}), settings));
    check_same(differentiate(Recompute<SparseBlock<E>>(experts), settings, threads),
               differentiate(SparseBlock<E>(experts), settings));
  }
  check_layer(Recompute<DenseBlock<E>>(Index{8}, Index{12}),
              Recompute<DenseBlock<PassingEnv>>(Index{8}, Index{12}), settings);
}

BOOST_AUTO_TEST_CASE(a_stack_of_it_keeps_block_inputs_only) {
  using E = TrainedEnv;
  const GradientSettings settings{.rows = 40, .features = 8};
  const auto bytes_of = [&](auto layer) {
    const Packed packed({0, 40}, 8);
    GradientSettings with = settings;
    with.sequences = packed.sequences(true);
    detail::LayerProbe<decltype(layer)> probe(layer, with);
    Runtime<Cpu> runtime(1);
    probe.differentiate(runtime);
    return runtime.reserved_bytes();
  };
  using Light = Recompute<DenseBlock<E>>;
  const auto heavy_stack = [](std::size_t depth) {
    return Stack<DenseBlock<E>>(std::vector<DenseBlock<E>>(depth, DenseBlock<E>(Index{8}, Index{12})));
  };
  const auto light_stack = [](std::size_t depth) {
    return Stack<Light>(std::vector<Light>(depth, Light(Index{8}, Index{12})));
  };
  const std::size_t rows_of_a_block = 40 * 8 * sizeof(float);
  BOOST_TEST(bytes_of(light_stack(8)) - bytes_of(light_stack(4)) == 4 * rows_of_a_block);
  BOOST_TEST(bytes_of(heavy_stack(8)) - bytes_of(heavy_stack(4)) > 40 * rows_of_a_block);

  const Packed packed({0, 15, 40}, 8);
  GradientSettings with = settings;
  with.sequences = packed.sequences(true);
  check_same(differentiate(light_stack(3), with), differentiate(heavy_stack(3), with));
}

BOOST_AUTO_TEST_CASE(is_chosen_by_the_environment) {
  using L = Linear<TrainedEnv>;
  static_assert(std::is_same_v<Kept<Env<Cpu, F32, Trained, Everything>, L>, L>);
  static_assert(std::is_same_v<Kept<Env<Cpu, F32, Trained, BlockInputs>, L>, Recompute<L>>);
  static_assert(std::is_same_v<Kept<Env<Cpu, F32, Passing, BlockInputs>, L>, Recompute<L>>);
  static_assert(std::is_same_v<Kept<Env<Cpu, F32, Inert, BlockInputs>, L>, L>);
  BOOST_TEST(sizeof(Recompute<L>::Saved) == sizeof(In<TrainedEnv>));
}

BOOST_AUTO_TEST_SUITE_END()
