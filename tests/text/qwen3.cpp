#include <vlm/text/qwen3.hpp>

#include <boost/test/unit_test.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

TextSizes sizes() {
  TextSizes n{.vocabulary = 20, .features = 12, .layers = 3, .heads = 4, .kv_heads = 2, .head_dim = 8};
  n.intermediate = 10;
  n.experts = 4;
  n.chosen = 2;
  n.expert_intermediate = 6;
  return n;
}

template <class E, class Kind>
using BlockOf = DecoderBlock<E, typename Kind::template Layer<E>>;
template <class E, class Kind>
using DecoderOf = Qwen3::Layer<E, typename Kind::template Layer<E>>;
using Light = Env<Cpu, F32, Trained, BlockInputs>;

template <class L>
std::string names(L layer) {
  std::string text;
  walk(layer, "", [&](const std::string& name, auto& param) {
    text += name + " " + shape_text(param.stored_shape()) + "\n";
  });
  return text;
}

// A decoder as a layer, its token table aside: so that it can be checked like any other.
template <class E_, class Kind>
struct Whole {
  using Environment = E_;
  using E = E_;
  using Saved = typename DecoderOf<E, Kind>::Saved;
  DecoderOf<E, Kind> decoder{sizes()};

  struct AddsToRows {
    void operator()(Index block, Out<E> rows) const {
      for (Index i = 0; block < 2 && i < rows.rows(); ++i) rows(i, 0) += 0.25f;
    }
  };
  struct Nowhere {
    void operator()(Index, Out<E>) const {}
  };
  Shape<2> out_shape(Index rows) const { return {{rows, 12}}; }
  void forward(On<E> s, In<E> x, Out<E> y, Saved& saved) const {
    if (s.measuring())
      decoder.forward(s, x, y, saved, Nowhere());
    else
      decoder.forward(s, x, y, saved, AddsToRows());
  }
  template <class Dx>
  void backward(On<E> s, const Saved& saved, In<E> dy, Dx dx) const {
    decoder.backward(s, saved, dy, dx, Nowhere());
  }
  template <class F>
  void visit(F&& f) {
    decoder.layers.visit(f);
    decoder.norm.visit(f);
  }
};

template <class Kind>
void check_kind() {
  const Packed packed({0, 4, 6}, 8);
  const GradientSettings settings{
      .rows = 6, .features = 12, .sequences = packed.sequences(true), .elements = 3};
  check_layer(BlockOf<TrainedEnv, Kind>(sizes()), BlockOf<PassingEnv, Kind>(sizes()), settings);
  const Whole<TrainedEnv, Kind> decoder;
  require_gradients(decoder, settings);
  check_same(differentiate(Whole<Light, Kind>(), settings), differentiate(decoder, settings));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_qwen3)

BOOST_AUTO_TEST_CASE(dense_gradients) { check_kind<Dense>(); }

BOOST_AUTO_TEST_CASE(sparse_gradients) { check_kind<MoE>(); }

BOOST_AUTO_TEST_CASE(tensors_are_named_as_in_the_files) {
  TextSizes n = sizes();
  n.layers = 1;
  const std::string attention =
      "embed_tokens.weight [20, 12]\n"
      "layers.0.input_layernorm.weight [12]\n"
      "layers.0.self_attn.q_proj.weight [32, 12]\n"
      "layers.0.self_attn.k_proj.weight [16, 12]\n"
      "layers.0.self_attn.v_proj.weight [16, 12]\n"
      "layers.0.self_attn.o_proj.weight [12, 32]\n"
      "layers.0.self_attn.q_norm.weight [8]\n"
      "layers.0.self_attn.k_norm.weight [8]\n"
      "layers.0.post_attention_layernorm.weight [12]\n";
  BOOST_TEST(names(DecoderOf<InertEnv, Dense>(n)) == attention +
                                                         "layers.0.mlp.gate_proj.weight [10, 12]\n"
                                                         "layers.0.mlp.up_proj.weight [10, 12]\n"
                                                         "layers.0.mlp.down_proj.weight [12, 10]\n"
                                                         "norm.weight [12]\n");
  BOOST_TEST(names(DecoderOf<InertEnv, MoE>(n)) == attention +
                                                       "layers.0.mlp.gate.weight [4, 12]\n"
                                                       "layers.0.mlp.experts.gate_up_proj [4, 12, 12]\n"
                                                       "layers.0.mlp.experts.down_proj [4, 6, 12]\n"
                                                       "norm.weight [12]\n");
  n.layers = 2;
  BOOST_TEST(names(DecoderOf<TrainedEnv, Dense>(n)).find("layers.1.self_attn.q_proj.weight") !=
             std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
