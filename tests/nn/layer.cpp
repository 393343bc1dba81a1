#include <vlm/nn/layer.hpp>

#include <boost/test/unit_test.hpp>
#include <string>

#include <vlm/nn/attention.hpp>
#include <vlm/nn/chain.hpp>
#include <vlm/nn/fold.hpp>
#include <vlm/nn/moe.hpp>
#include <vlm/nn/residual.hpp>
#include <vlm/nn/stack.hpp>

#include "message_of.hpp"
#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct ForwardOnly {
  struct Saved {};
  Shape<2> out_shape(Index rows) const { return {{rows, 1}}; }
  template <class S, class X, class Y>
  void forward(S&, X, Y, Saved&) const {}
  template <class F>
  void visit(F&&) {}
};
struct Whole : ForwardOnly {
  template <class S, class Dy, class Dx>
  void backward(S&, const Saved&, Dy, Dx) const {}
};
struct WithoutSaved {
  Shape<2> out_shape(Index rows) const { return {{rows, 1}}; }
  template <class F>
  void visit(F&&) {}
};
struct WithoutShape {
  struct Saved {};
  template <class S, class X, class Y>
  void forward(S&, X, Y, Saved&) const {}
  template <class F>
  void visit(F&&) {}
};

// What a layer says to rows of other shapes; nothing is computed, so nothing needs memory.
template <class L>
std::string refusal(const L& layer, Shape<2> x, Shape<2> y) {
  Runtime<Cpu> runtime(1);
  try {
    runtime.measure([&] {
      float place = 0;
      typename L::Saved saved;
      layer.forward(runtime, {&place, x}, {&place, y}, saved);
    });
  } catch (const ShapeError& error) {
    BOOST_TEST(error.id() == "layer-rows");
    return error.what();
  }
  return "none";
}
std::string message(const std::string& at, const std::string& expected, const std::string& got) {
  return "vlm::ShapeError [layer-rows]\n  at        " + at + "\n  expected  " + expected + "\n  got       " +
         got + "\n  try       sizes with which each layer gives what the next one takes";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_layer)

BOOST_AUTO_TEST_CASE(sizes_that_do_not_meet_are_refused_before_anything_is_computed) {
  using E = TrainedEnv;
  const Linear<E> linear(4, 6);
  BOOST_TEST(refusal(linear, {{2, 4}}, {{2, 6}}) == "none");
  BOOST_TEST(refusal(linear, {{2, 5}}, {{2, 6}}) == message("Linear, x", "[2, 4]", "[2, 5]"));
  BOOST_TEST(refusal(linear, {{2, 4}}, {{3, 6}}) == message("Linear, y", "[2, 6]", "[3, 6]"));
  BOOST_TEST(refusal(Chain<Linear<E>, Linear<E>>(linear, Linear<E>(5, 3)), {{2, 4}}, {{2, 3}}) ==
             message("Linear, x", "[2, 5]", "[2, 6]"));
  BOOST_TEST(refusal(RmsNorm<E>(4, 1e-6f), {{2, 8}}, {{2, 4}}) == message("RmsNorm, x", "[2, 4]", "[2, 8]"));
  BOOST_TEST(refusal(RmsNorm<E>(4, 1e-6f), {{2, 4}}, {{1, 4}}) == message("RmsNorm, y", "[2, 4]", "[1, 4]"));
  BOOST_TEST(refusal(LayerNorm<E>(4, 1e-6f), {{2, 3}}, {{2, 4}}) ==
             message("LayerNorm, x", "[2, 4]", "[2, 3]"));
  BOOST_TEST(refusal(LayerNorm<E>(4, 1e-6f), {{2, 4}}, {{2, 3}}) ==
             message("LayerNorm, y", "[2, 4]", "[2, 3]"));
  BOOST_TEST(refusal(Residual<RmsNorm<E>, Linear<E>>(RmsNorm<E>(4, 1e-6f), linear), {{2, 4}}, {{2, 6}}) ==
             message("Residual, x and body(x)", "[2, 6]", "[2, 4]"));
  BOOST_TEST(refusal(Residual<RmsNorm<E>, Linear<E>>(RmsNorm<E>(4, 1e-6f), Linear<E>(4, 4)), {{2, 4}},
                     {{2, 6}}) == message("Residual, y", "[2, 4]", "[2, 6]"));
  BOOST_TEST(refusal(Fold<2, 2, E>(3), {{7, 3}}, {{1, 12}}) == message("Fold, x", "[4, 3]", "[7, 3]"));
  BOOST_TEST(refusal(Fold<2, 2, E>(3), {{8, 3}}, {{2, 3}}) == message("Fold, y", "[2, 12]", "[2, 3]"));
  const SparseMoe<E> moe({.features = 4, .intermediate = 2, .experts = 2, .chosen = 1});
  BOOST_TEST(refusal(moe, {{2, 4}}, {{2, 6}}) == message("SparseMoe, y", "[2, 4]", "[2, 6]"));
}

BOOST_AUTO_TEST_CASE(attention_must_be_told_of_its_sequences) {
  const Attention<TrainedEnv> layer({.features = 4, .heads = 2, .kv_heads = 1, .head_dim = 8});
  const FusedAttention<TrainedEnv> fused({.features = 16, .heads = 2, .kv_heads = 2, .head_dim = 8});
  const auto refuses = [](const auto& attention, const Sequences<Cpu>& sequences) {
    Runtime<Cpu> runtime(1);
    std::string text = "none";
    float place = 0;
    try {
      runtime.measure([&] {
        runtime.sequences() = sequences;
        typename std::remove_cvref_t<decltype(attention)>::Saved saved;
        const Shape<2> shape{{3, attention.sizes.features}};
        attention.forward(runtime, {&place, shape}, {&place, shape}, saved);
      });
    } catch (const ShapeError& error) {
      text = error.what();
    }
    return text;
  };
  const Packed right({0, 1, 3}, 8), longer({0, 4}, 8), shorter({0, 2}, 8), wide({0, 3}, 16);
  const auto text = [](const std::string& got) {
    return "vlm::ShapeError [attention-sequences]\n  expected  borders; rotary tables for [3, 4], or none\n"
           "  got       " +
           got + "\n  try       set Runtime::sequences() before the pass";
  };
  const auto check_all = [&](const auto& attention) {
    BOOST_TEST(refuses(attention, right.sequences(true)) == "none");
    BOOST_TEST(refuses(attention, {.query_offsets = right.sequences(true).query_offsets}) == "none");
    BOOST_TEST(refuses(attention, {}) == text("no borders, [0, 0] and [0, 0]"));
    BOOST_TEST(refuses(attention, longer.sequences(true)) == "none");
    BOOST_TEST(refuses(attention, shorter.sequences(true)) == text("borders, [2, 4] and [2, 4]"));
    BOOST_TEST(refuses(attention, wide.sequences(true)) == text("borders, [3, 8] and [3, 8]"));
    Sequences<Cpu> half = right.sequences(true);
    half.sine = {};
    BOOST_TEST(refuses(attention, half) == text("borders, [3, 4] and [0, 0]"));
  };
  check_all(layer);
  check_all(fused);
}

BOOST_AUTO_TEST_CASE(sizes_that_no_layer_has_are_refused_when_it_is_made) {
  using E = TrainedEnv;
  const auto text = [](const std::string& layer, const std::string& expected, const std::string& got) {
    return "vlm::ConfigError [layer-size]\n  layer     " + layer + "\n  expected  " + expected +
           "\n  got       " + got + "\n  try       sizes that hold what is expected";
  };
  for (const Index group : {0, 3, 16, -8})
    BOOST_TEST(
        message_of([&] { RmsNorm<E>(8, group, 1e-6f); }) ==
        text("RmsNorm", "features, and a group that divides them", "[8, " + std::to_string(group) + "]"));
  const auto attention = [](const AttentionSizes& n) { return message_of([&] { Attention<E> layer(n); }); };
  const auto heads = [&](const std::string& got) {
    return text("Attention", "features; heads; kv_heads, which divide them; head_dim, a multiple of 8", got);
  };
  BOOST_TEST(attention({.features = 24, .heads = 3, .kv_heads = 2, .head_dim = 8}) == heads("[24, 3, 2, 8]"));
  BOOST_TEST(attention({.features = 24, .heads = 2, .kv_heads = 0, .head_dim = 8}) == heads("[24, 2, 0, 8]"));
  BOOST_TEST(attention({.features = 24, .heads = 2, .kv_heads = 4, .head_dim = 8}) == heads("[24, 2, 4, 8]"));
  BOOST_TEST(attention({.features = 24, .heads = 2, .kv_heads = 2, .head_dim = 12}) ==
             heads("[24, 2, 2, 12]"));
  BOOST_TEST(attention({.features = 24, .heads = 2, .kv_heads = 2}) == heads("[24, 2, 2, 0]"));
  BOOST_TEST(message_of([&] { FusedAttention<E> layer({.features = 24, .heads = 3, .head_dim = 8}); }) ==
             text("FusedAttention", "features, which are heads * head_dim; heads; as many kv_heads; head_dim",
                  "[24, 3, 0, 8]"));
  for (const Index chosen : {0, 5, -1})
    BOOST_TEST(message_of([&] {
                 SparseMoe<E> layer({.features = 8, .intermediate = 8, .experts = 4, .chosen = chosen});
               }) == text("SparseMoe", "experts, and chosen ones, 1 to all of them",
                          "[4, " + std::to_string(chosen) + "]"));
  BOOST_TEST(message_of([] { Stack<Linear<E>>(std::vector<Linear<E>>{}); }) ==
             text("Stack", "at least one block", "[0]"));
}

BOOST_AUTO_TEST_CASE(concepts_tell_layers_apart) {
  using E = TrainedEnv;
  static_assert(Layer<Whole, E> && Differentiable<Whole, E>);
  static_assert(Layer<ForwardOnly, E> && !Differentiable<ForwardOnly, E> && !Backward<ForwardOnly, E>);
  static_assert(!HasSaved<WithoutSaved> && !Forward<WithoutSaved, E> && Visitable<WithoutSaved>);
  static_assert(Forward<WithoutShape, E> && !Layer<WithoutShape, E>);
  static_assert(!Layer<int, E> && !Visitable<int>);
  BOOST_TEST((Differentiable<Whole, InertEnv>));
}

BOOST_AUTO_TEST_SUITE_END()
