// Layers and blocks that users compose: gradients by one call, names, masks, and passes that allocate nothing.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include <vlm/nn.hpp>

#include "../examples/layer_scale.hpp"
#include "nn/layers.hpp"

namespace {
std::atomic<std::size_t> allocations{0};
}
// Not inlined, or g++ takes malloc and free for a mismatched pair.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

using namespace vlm;
using namespace vlm::tests;
using example::LayerScale;
using example::ScaledBlock;
using example::ScaledBlocks;

namespace {

constexpr Index features = 6, intermediate = 10, rows = 9;

template <class E>
ScaledBlocks<E> blocks(std::size_t depth = 3) {
  return example::make_blocks<E>(depth, features, intermediate);
}

// A block of every part that composes: attention, a sparse feed-forward, the user's layer, blocks computed again.
template <class E>
using Attended = Residual<Named<"norm1", RmsNorm<E>>,
                          Chain<Named<"attn", Attention<E>>, Named<"layer_scale1", LayerScale<E>>>>;
template <class E>
using Routed = Residual<Named<"norm2", LayerNorm<E>>,
                        Chain<Named<"mlp", SparseMoe<E>>, Named<"layer_scale2", LayerScale<E>>>>;
template <class E>
struct Mixed : Chain<Attended<E>, Routed<E>> {
  Mixed()
      : Chain<Attended<E>, Routed<E>>(
            Attended<E>({features, 1e-6f},
                        {Named<"attn", Attention<E>>(
                             AttentionSizes{.features = features, .heads = 2, .kv_heads = 1, .head_dim = 8}),
                         Named<"layer_scale1", LayerScale<E>>(features)}),
            Routed<E>({features, 1e-6f},
                      {Named<"mlp", SparseMoe<E>>(
                           MoeSizes{.features = features, .intermediate = 4, .experts = 4, .chosen = 2}),
                       Named<"layer_scale2", LayerScale<E>>(features)})) {}
};
template <class E>
Stack<Kept<E, Mixed<E>>> mixed(std::size_t depth) {
  return Stack<Kept<E, Mixed<E>>>(std::vector<Kept<E, Mixed<E>>>(depth));
}

// Runs forward and backward three times in memory planned once; the allocations and the results of each pass.
template <class L>
struct Passes {
  std::size_t allocated[3] = {}, reserved[4] = {};
  std::vector<float> y[3], dx[3];

  Passes(L layer, int threads, const Sequences<Cpu>& sequences) {
    LayerParameters parameters(layer, 5, 0.3f);
    std::vector<float> x(rows * features), dy(rows * features), out(rows * features),
        gradient(rows * features);
    initialise(x, Initial::Normal, 1, "x", 1);
    initialise(dy, Initial::Normal, 1, "dy", 1);
    const auto view = [](std::vector<float>& values) {
      return View<float, 2, Cpu>(values.data(), Shape<2>{{rows, features}});
    };
    Runtime<Cpu> runtime(threads);
    const auto pass = [&] {
      const auto given_back = runtime.scope();
      runtime.sequences() = sequences;
      typename L::Saved saved;
      layer.forward(runtime, view(x), view(out), saved);
      layer.backward(runtime, saved, view(dy), view(gradient));
    };
    runtime.plan(pass);
    reserved[3] = runtime.reserved_bytes();
    for (std::size_t i = 0; i < 3; ++i) {
      const std::size_t before = allocations;
      pass();
      allocated[i] = allocations - before;
      reserved[i] = runtime.reserved_bytes();
      y[i] = out;
      dx[i] = gradient;
    }
  }
  void check_quiet() const {
    for (std::size_t i : {1u, 2u}) {
      BOOST_TEST(allocated[i] == 0u);
      BOOST_TEST(reserved[i] == reserved[3]);
      BOOST_TEST(same_bits(y[i], y[0]));
      BOOST_TEST(same_bits(dx[i], dx[0]));
    }
  }
};

template <class L>
std::vector<std::string> names_of(L layer) {
  std::vector<std::string> names;
  walk(layer, "", [&](const std::string& name, auto&) { names.push_back(name); });
  return names;
}

using Light = Env<Cpu, F32, Trained, BlockInputs>;
using LightPassing = Env<Cpu, F32, Passing, BlockInputs>;

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_composed_block)

BOOST_AUTO_TEST_CASE(a_layer_of_ones_own_owes_what_every_layer_owes) {
  check_layer(LayerScale<TrainedEnv>(features), LayerScale<PassingEnv>(features),
              {.rows = rows, .features = features});
  check_layer(ScaledBlock<TrainedEnv>(features, intermediate),
              ScaledBlock<PassingEnv>(features, intermediate),
              {.rows = rows, .features = features, .elements = 6});
}

BOOST_AUTO_TEST_CASE(blocks_that_are_computed_again_give_the_same_bits) {
  const GradientSettings settings{.rows = rows, .features = features, .elements = 3};
  static_assert(std::is_same_v<Kept<Light, ScaledBlock<Light>>, Recompute<ScaledBlock<Light>>>);
  check_layer(blocks<Light>(), blocks<LightPassing>(), settings);
  check_same(differentiate(blocks<Light>(), settings), differentiate(blocks<TrainedEnv>(), settings));
}

BOOST_AUTO_TEST_CASE(names_are_written_once) {
  BOOST_TEST(names_of(ScaledBlock<InertEnv>(features, intermediate)) ==
             (std::vector<std::string>{"norm.weight", "mlp.gate_proj.weight", "mlp.up_proj.weight",
                                       "mlp.down_proj.weight", "layer_scale.lambda1"}));
  const std::vector<std::string> names = names_of(blocks<TrainedEnv>(2));
  BOOST_TEST(names.size() == 10u);
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  BOOST_TEST((std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end()));
}

// A mask is the environment of a part: what is frozen has no gradient memory and the rest keeps its bits.
BOOST_AUTO_TEST_CASE(only_the_scale_learns) {
  using OnlyScale = Residual<RmsNorm<PassingEnv>, Chain<SwiGlu<PassingEnv>, LayerScale<TrainedEnv>>>;
  OnlyScale block(RmsNorm<PassingEnv>(features, 1e-6f),
                  {SwiGlu<PassingEnv>(features, intermediate), LayerScale<TrainedEnv>(features)});
  const GradientSettings settings{.rows = rows, .features = features};
  require_gradients(block, settings);
  const Result result = differentiate<Nothing>(block, settings);
  BOOST_REQUIRE_EQUAL(result.gradients.size(), 2u);
  BOOST_TEST(result.gradients[1].name == "lambda1");
  BOOST_TEST(LayerParameters(block).gradient_bytes() == 64u);  // six numbers, in whole cache lines
}

BOOST_AUTO_TEST_CASE(three_passes_allocate_once) {
  const Packed packed({0, 4, rows}, 8);
  for (const int threads : {1, 2, 16}) {
    Passes(blocks<TrainedEnv>(), threads, {}).check_quiet();
    Passes(blocks<Light>(), threads, {}).check_quiet();
    Passes(mixed<TrainedEnv>(3), threads, packed.sequences(true)).check_quiet();
    Passes(mixed<Light>(3), threads, packed.sequences(true)).check_quiet();
  }
}

BOOST_AUTO_TEST_CASE(the_counter_counts) {
  const std::size_t before = allocations;
  ::operator delete(::operator new(100));
  BOOST_TEST(allocations - before == 1u);
}

BOOST_AUTO_TEST_CASE(any_number_of_threads_gives_the_same_bits) {
  const Packed packed({0, 4, rows}, 8);
  const Passes one(mixed<TrainedEnv>(2), 1, packed.sequences(true));
  for (const int threads : {2, 5, 64, 128}) {
    const Passes many(mixed<TrainedEnv>(2), threads, packed.sequences(true));
    BOOST_TEST(same_bits(many.y[0], one.y[0]));
    BOOST_TEST(same_bits(many.dx[0], one.dx[0]));
  }
}

BOOST_AUTO_TEST_SUITE_END()
