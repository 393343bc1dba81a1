#include <vlm/nn/stack.hpp>

#include <boost/test/unit_test.hpp>

#include <vlm/nn/attention.hpp>
#include <vlm/nn/chain.hpp>
#include <vlm/nn/mlp.hpp>
#include <vlm/nn/recompute.hpp>
#include <vlm/nn/residual.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

template <class E>
struct Block : Residual<Named<"norm", RmsNorm<E>>, Named<"mlp", SwiGlu<E>>> {
  Block()
      : Residual<Named<"norm", RmsNorm<E>>, Named<"mlp", SwiGlu<E>>>(Named<"norm", RmsNorm<E>>(6, 1e-6f),
                                                                     Named<"mlp", SwiGlu<E>>(6, 10)) {}
};
template <class E>
Stack<Block<E>> stack(std::size_t depth) {
  return Stack<Block<E>>(std::vector<Block<E>>(depth));
}

// One with attention.
template <class E>
struct Attending : Chain<Residual<Named<"norm", RmsNorm<E>>, Named<"attend", Attention<E>>>, Block<E>> {
  Attending()
      : Chain<Residual<Named<"norm", RmsNorm<E>>, Named<"attend", Attention<E>>>, Block<E>>(
            {Named<"norm", RmsNorm<E>>(6, 1e-6f),
             Named<"attend", Attention<E>>(
                 AttentionSizes{.features = 6, .heads = 2, .kv_heads = 1, .head_dim = 8})},
            Block<E>()) {}
};

constexpr Index rows = 5;

// A stack with values, to be run with hooks.
template <class E>
struct Values {
  Stack<Block<E>> layers;
  std::list<std::vector<float>> memory;
  std::vector<float> x = drawn("x", rows * 6, 1), y = drawn("y", rows * 6, 1);
  Runtime<Cpu> runtime;

  explicit Values(std::size_t depth) : layers(stack<E>(depth)), runtime(1) {
    walk(layers, "", [&](const std::string& name, auto& param) {
      Index count = 1;
      for (Index size : param.stored_shape()) count *= size;
      param.bind(memory.emplace_back(drawn(name, count, 0.4f)).data(), DType::F32);
      if constexpr (std::remove_reference_t<decltype(param)>::trained)
        param.bind_gradient(memory.emplace_back(static_cast<std::size_t>(count)).data());
    });
  }
  static std::vector<float> drawn(const std::string& name, Index count, float scale) {
    std::vector<float> values(static_cast<std::size_t>(count));
    initialise(values, name);
    for (float& v : values) v *= scale;
    return values;
  }
  static void initialise(std::vector<float>& values, const std::string& name) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = Random(3, name).normal(i);
  }
  static View<float, 2, Cpu> view(std::vector<float>& values) { return {values.data(), Shape<2>{{rows, 6}}}; }

  template <class Hook>
  std::size_t forward(bool keeping, Hook&& hook) {
    runtime.keep_activations(keeping);
    const auto pass = [&] {
      typename Stack<Block<E>>::Saved saved;
      layers.forward(runtime, view(x), view(y), saved, [&](Index i, View<float, 2, Cpu> out) {
        if (!runtime.measuring()) hook(i, out);
      });
    };
    runtime.plan(pass);
    const std::size_t bytes = runtime.measure(pass);
    const auto scope = runtime.scope();
    pass();
    return bytes;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_stack)

BOOST_AUTO_TEST_CASE(gradients) {
  for (const std::size_t depth : {1u, 2u, 3u})
    check_layer(stack<TrainedEnv>(depth), stack<PassingEnv>(depth), {.features = 6, .elements = 4});
}

BOOST_AUTO_TEST_CASE(hooks_see_each_block_in_order) {
  for (const bool keeping : {true, false}) {
    Values<TrainedEnv> values(4);
    std::vector<Index> seen;
    values.forward(keeping, [&](Index i, View<float, 2, Cpu>) {
      seen.push_back(i);
      BOOST_TEST(values.runtime.block() == i);
    });
    BOOST_TEST(seen == (std::vector<Index>{0, 1, 2, 3}));
  }
}

// What a hook changes goes on to the next block; the last block's rows are y.
BOOST_AUTO_TEST_CASE(forgetting_and_keeping_give_the_same_bits) {
  for (const std::size_t depth : {1u, 2u, 3u, 4u}) {
    std::vector<float> outputs[2], seen[2];
    for (const bool keeping : {true, false}) {
      Values<TrainedEnv> values(depth);
      values.forward(keeping, [&](Index, View<float, 2, Cpu> out) {
        out(2, 3) += 0.5f;
        seen[keeping].insert(seen[keeping].end(), out.data, out.data + rows * 6);
      });
      outputs[keeping] = values.y;
    }
    BOOST_TEST(same_bits(outputs[0], outputs[1]));
    BOOST_TEST(same_bits(seen[0], seen[1]));
    BOOST_TEST(same_bits(outputs[0], std::vector<float>(seen[0].end() - rows * 6, seen[0].end())));
    Values<TrainedEnv> plain(depth);
    plain.forward(true, [](Index, View<float, 2, Cpu>) {});
    BOOST_TEST(!same_bits(plain.y, outputs[0]));
  }
}

// The last rows of a stack, whether its blocks can compute them alone or not, are those of all rows; hooks see all rows but
// in the last block of those that can.
template <class Layer>
void check_last_rows(bool alone) {
  using E = TrainedEnv;
  const Packed packed({0, rows}, 8);
  for (const std::size_t depth : {1u, 2u, 3u}) {
    Stack<Layer> layers{std::vector<Layer>(depth)};
    std::list<std::vector<float>> memory;
    walk(layers, "", [&](const std::string& name, auto& param) {
      Index count = 1;
      for (Index size : param.stored_shape()) count *= size;
      param.bind(memory.emplace_back(Values<E>::drawn(name, count, 0.4f)).data(), DType::F32);
    });
    std::vector<float> x = Values<E>::drawn("x", rows * 6, 1), all(rows * 6);
    Runtime<Cpu> runtime(1);
    runtime.keep_activations(false);
    const auto run = [&](auto&& pass) {
      const auto told = [&] {
        runtime.sequences() = packed.sequences(true);
        pass();
      };
      runtime.plan(told);
      const auto scope = runtime.scope();
      told();
    };
    run([&] {
      typename Stack<Layer>::Saved saved;
      layers.forward(runtime, Values<E>::view(x), Values<E>::view(all), saved);
    });
    for (const Index wanted : {Index{0}, Index{1}, Index{3}, rows}) {
      std::vector<float> y(static_cast<std::size_t>(wanted * 6));
      std::vector<Index> seen;
      const std::int32_t borders[] = {0, static_cast<std::int32_t>(wanted)}, keys = rows;
      run([&] {
        runtime.sequences().last_offsets = {borders, Shape<1>{{2}}};
        runtime.sequences().key_counts = {&keys, Shape<1>{{1}}};
        layers.forward_last(runtime, Values<E>::view(x), View<float, 2, Cpu>(y.data(), Shape<2>{{wanted, 6}}),
                            [&](Index, View<float, 2, Cpu> out) {
                              if (!runtime.measuring()) seen.push_back(out.rows());
                            });
      });
      BOOST_TEST(same_bits(y, std::vector<float>(all.end() - wanted * 6, all.end())));
      std::vector<Index> expected(depth, rows);
      if (alone) expected.back() = wanted;
      BOOST_TEST(seen == expected);
    }
  }
}
// Without the borders of those rows nothing is computed.
BOOST_AUTO_TEST_CASE(the_last_rows_need_borders) {
  const Packed packed({0, rows}, 8);
  Stack<Attending<TrainedEnv>> layers{std::vector<Attending<TrainedEnv>>(1)};
  std::vector<float> x(rows * 6), y(6);
  Runtime<Cpu> runtime(1);
  const auto refused = [](const ShapeError& error) {
    return std::string(error.what()).starts_with("vlm::ShapeError [attention-sequences]");
  };
  BOOST_CHECK_EXCEPTION(runtime.measure([&] {
    runtime.sequences() = packed.sequences(true);
    layers.forward_last(runtime, Values<TrainedEnv>::view(x),
                        View<float, 2, Cpu>(y.data(), Shape<2>{{1, 6}}));
  }),
                        ShapeError, refused);
}

BOOST_AUTO_TEST_CASE(the_last_rows_alone_have_the_same_bits) {
  check_last_rows<Attending<TrainedEnv>>(true);
  check_last_rows<Recompute<Attending<TrainedEnv>>>(true);
  check_last_rows<Block<TrainedEnv>>(false);
}

BOOST_AUTO_TEST_CASE(forgetting_needs_no_more_memory_for_more_blocks) {
  const auto none = [](Index, View<float, 2, Cpu>) {};
  BOOST_TEST(Values<TrainedEnv>(2).forward(false, none) == Values<TrainedEnv>(9).forward(false, none));
  BOOST_TEST(Values<TrainedEnv>(2).forward(true, none) < Values<TrainedEnv>(9).forward(true, none));
  // A stack that nothing flows back through never keeps.
  BOOST_TEST(Values<InertEnv>(9).forward(true, none) == Values<TrainedEnv>(9).forward(false, none));
}

BOOST_AUTO_TEST_CASE(backward_hooks_run_from_the_last_block_and_may_add) {
  Values<TrainedEnv> values(3);
  std::vector<float> dy(rows * 6, 0.0f), dx(rows * 6), expected(rows * 6);
  std::vector<Index> seen;
  const auto differentiate_with = [&](std::vector<float>& into, auto&& hook) {
    const auto pass = [&] {
      typename Stack<Block<TrainedEnv>>::Saved saved;
      values.layers.forward(values.runtime, values.view(values.x), values.view(values.y), saved);
      values.layers.backward(values.runtime, saved, values.view(dy), values.view(into),
                             [&](Index i, View<float, 2, Cpu> gradient) {
                               if (!values.runtime.measuring()) hook(i, gradient);
                             });
    };
    values.runtime.plan(pass);
    const auto scope = values.runtime.scope();
    pass();
  };
  // A gradient of 1 that joins at the output of the last block is the same as dy = 1.
  differentiate_with(dx, [&](Index i, View<float, 2, Cpu> gradient) {
    seen.push_back(i);
    BOOST_TEST(values.runtime.block() == i);
    if (i == 2) gradient(1, 1) += 1;
  });
  BOOST_TEST(seen == (std::vector<Index>{2, 1, 0}));
  dy[7] = 1;
  differentiate_with(expected, [](Index, View<float, 2, Cpu>) {});
  BOOST_TEST(same_bits(dx, expected));
  // At an earlier block it passes through fewer blocks.
  dy[7] = 0;
  differentiate_with(dx, [&](Index i, View<float, 2, Cpu> gradient) {
    if (i == 0) gradient(1, 1) += 1;
  });
  BOOST_TEST(!same_bits(dx, expected));
  BOOST_TEST(dx[7] != 0.0f);
}

BOOST_AUTO_TEST_SUITE_END()
