// One block, read by two runtimes at once: each thread gets the bits that it gets alone.
#include <boost/test/unit_test.hpp>

#include <thread>
#include <vector>

#include <vlm/nn.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

constexpr Index features = 24, rows = 40;

template <class E>
using Block = Chain<Residual<Named<"norm1", RmsNorm<E>>, Named<"attn", Attention<E>>>,
                    Residual<Named<"norm2", RmsNorm<E>>, Named<"mlp", SparseMoe<E>>>>;

template <class E>
Block<E> block() {
  return Block<E>(
      Residual<Named<"norm1", RmsNorm<E>>, Named<"attn", Attention<E>>>(
          {features, 1e-6f}, Named<"attn", Attention<E>>(AttentionSizes{
                                 .features = features, .heads = 4, .kv_heads = 2, .head_dim = 8})),
      Residual<Named<"norm2", RmsNorm<E>>, Named<"mlp", SparseMoe<E>>>(
          {features, 1e-6f}, Named<"mlp", SparseMoe<E>>(MoeSizes{
                                 .features = features, .intermediate = 16, .experts = 4, .chosen = 2})));
}

struct Rows {
  std::vector<float> y, dx;
};

// Forward, and backward to the input, in a runtime of its own; the rows are drawn from the seed.
Rows pass(const Block<PassingEnv>& block, int threads, std::uint64_t seed) {
  std::vector<float> x(features * rows), dy(x.size());
  initialise(x, Initial::Normal, seed, "x", 1);
  initialise(dy, Initial::Normal, seed, "dy", 1);
  Rows result{.y = std::vector<float>(x.size()), .dx = std::vector<float>(x.size())};
  const Packed packed({0, 13, static_cast<std::int32_t>(rows)}, 8);
  const auto view = [](std::vector<float>& values) {
    return View<float, 2, Cpu>(values.data(), Shape<2>{{rows, features}});
  };
  Runtime<Cpu> runtime(threads);
  const auto once = [&] {
    const auto given_back = runtime.scope();
    runtime.sequences() = packed.sequences(true);
    Block<PassingEnv>::Saved saved;
    block.forward(runtime, view(x), view(result.y), saved);
    block.backward(runtime, saved, view(dy), view(result.dx));
  };
  runtime.plan(once);
  for (int round = 0; round < 5; ++round) once();
  return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_two_runtimes)

BOOST_AUTO_TEST_CASE(runtimes_share_a_block) {
  Block<PassingEnv> shared = block<PassingEnv>();
  const LayerParameters parameters(shared, 3, 0.3f);
  const Rows alone[] = {pass(shared, 1, 1), pass(shared, 1, 2)};
  Rows together[2];
  std::thread other([&] { together[1] = pass(shared, 3, 2); });
  together[0] = pass(shared, 2, 1);
  other.join();
  for (int i : {0, 1}) {
    BOOST_TEST(same_bits(together[i].y, alone[i].y));
    BOOST_TEST(same_bits(together[i].dx, alone[i].dx));
  }
}

BOOST_AUTO_TEST_SUITE_END()
