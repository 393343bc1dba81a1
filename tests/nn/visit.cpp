// Also covers named.hpp.
#include <vlm/nn/visit.hpp>

#include <boost/test/unit_test.hpp>

#include <vlm/nn/chain.hpp>
#include <vlm/nn/mlp.hpp>
#include <vlm/nn/norm.hpp>
#include <vlm/nn/stack.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

using E = TrainedEnv;
using Block = Chain<Named<"input_layernorm", RmsNorm<E>>, Named<"mlp", SwiGlu<E>>>;

// A layer that has one part.
template <class Part>
struct Parent {
  Part& part;
  template <class F>
  void visit(F&& f) {
    part.visit(f);
  }
};

template <class L>
std::vector<std::string> names(L& layer, const std::string& path) {
  std::vector<std::string> list;
  walk(layer, path, [&](const std::string& name, auto&) { list.push_back(name); });
  return list;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_visit)

BOOST_AUTO_TEST_CASE(names_are_those_of_the_composition) {
  std::vector<Block> blocks(
      2, Block(Named<"input_layernorm", RmsNorm<E>>(8, 1e-6f), Named<"mlp", SwiGlu<E>>(8, 16)));
  Named<"layers", Stack<Block>> layers((Stack<Block>(blocks)));
  Parent<Named<"layers", Stack<Block>>> model{layers};
  BOOST_TEST(names(model, "model") ==
             (std::vector<std::string>{
                 "model.layers.0.input_layernorm.weight", "model.layers.0.mlp.gate_proj.weight",
                 "model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.down_proj.weight",
                 "model.layers.1.input_layernorm.weight", "model.layers.1.mlp.gate_proj.weight",
                 "model.layers.1.mlp.up_proj.weight", "model.layers.1.mlp.down_proj.weight"}));
}

BOOST_AUTO_TEST_CASE(without_a_path_a_name_stands_alone) {
  Linear<E, true> layer(3, 4);
  BOOST_TEST(names(layer, "") == (std::vector<std::string>{"weight", "bias"}));
  BOOST_TEST(names(layer, "lm_head") == (std::vector<std::string>{"lm_head.weight", "lm_head.bias"}));
}

// Named adds a name and nothing else: no bytes, no change of what the layer does.
BOOST_AUTO_TEST_CASE(named_is_the_layer_itself) {
  using Projection = Named<"q_proj", Linear<E, true>>;
  static_assert(sizeof(Projection) == sizeof(Linear<E, true>));
  static_assert(std::is_base_of_v<Linear<E, true>, Projection> && Differentiable<Projection, E>);
  Projection layer(6, 5);
  Parent<Projection> parent{layer};
  BOOST_TEST(names(parent, "self_attn") ==
             (std::vector<std::string>{"self_attn.q_proj.weight", "self_attn.q_proj.bias"}));
  const GradientSettings settings{.rows = 3, .features = 6};
  check_layer(layer, Named<"q_proj", Linear<PassingEnv, true>>(6, 5), settings);
}

BOOST_AUTO_TEST_SUITE_END()
