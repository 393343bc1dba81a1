// Parts of a user's own: merger, encoder and decoder, of layers of the library and in the names that their files have.
// Each is compiled into a model that learns whole; its gradients are those of finite differences, and its loss falls.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "model/samples.hpp"

using namespace vlm;

namespace {

// Four neighbours become one row, which gates itself.
template <class E>
using GatedLayers =
    Chain<Named<"norm", LayerNorm<E>>, Fold<2, 2, E>, Named<"glu", SwiGlu<E>>, Named<"proj", Linear<E>>>;
template <class E>
struct GatedMerger : GatedLayers<E> {
  explicit GatedMerger(const MergerSizes& n)
      : GatedLayers<E>(Named<"norm", LayerNorm<E>>(n.features, n.norm_eps), Fold<2, 2, E>(n.features),
                       Named<"glu", SwiGlu<E>>(4 * n.features, 2 * n.features),
                       Named<"proj", Linear<E>>(4 * n.features, n.outputs)) {}
};
struct Gated {
  template <class E>
  using Layer = GatedMerger<E>;
};

// A tower without attention: each patch for itself.
template <class E>
struct MixerBlock : Residual<Named<"norm", LayerNorm<E>>, Named<"mlp", Mlp2<E, Gelu::Tanh>>> {
  explicit MixerBlock(const VisionSizes& n)
      : Residual<Named<"norm", LayerNorm<E>>, Named<"mlp", Mlp2<E, Gelu::Tanh>>>(
            Named<"norm", LayerNorm<E>>(n.features, n.norm_eps),
            Named<"mlp", Mlp2<E, Gelu::Tanh>>(n.features, n.intermediate, n.features)) {}
};
template <class E_>
struct MixerTower {
  using E = E_;
  using Inputs = VisionInputs<typename E::Device, typename E::T>;
  using Blocks = Stack<Kept<E, MixerBlock<E>>>;
  struct Saved {
    typename Linear<E>::Saved patches;
    typename Blocks::Saved blocks;
  };
  Named<"patches", Linear<E>> patches;
  Named<"blocks", Blocks> blocks;

  explicit MixerTower(const VisionSizes& n)
      : patches(n.patch_features(), n.features),
        blocks(std::vector<Kept<E, MixerBlock<E>>>(static_cast<std::size_t>(n.depth),
                                                   Kept<E, MixerBlock<E>>(n))) {}
  template <class Hook>
  void forward(On<E> s, const Inputs& in, Out<E> y, Saved& saved, Hook&& hook) const {
    const Out<E> x = s.template keep<typename E::T>(y.rows(), y.extent[1]);
    patches.forward(s, in.patches, x, saved.patches);
    blocks.forward(s, x, y, saved.blocks, hook);
  }
  template <class Hook>
  void backward(On<E> s, const Inputs&, const Saved& saved, In<E> dy, Hook&& hook) const {
    const auto given_back = s.scope();
    const Out<E> dx = s.template scratch<typename E::T>(dy.rows(), dy.extent[1]);
    blocks.backward(s, saved.blocks, dy, dx, hook);
    patches.backward(s, saved.patches, dx, nothing);
  }
  template <class F>
  void visit(F&& f) {
    patches.visit(f);
    blocks.visit(f);
  }
};
struct Mixer {
  template <class E>
  using Layer = MixerTower<E>;
};

// A decoder of attention alone: the feed-forward that the spec names is not used.
template <class E>
struct AttentionBlock : Residual<Named<"norm", RmsNorm<E>>, Named<"attn", Attention<E>>> {
  explicit AttentionBlock(const TextSizes& n)
      : Residual<Named<"norm", RmsNorm<E>>, Named<"attn", Attention<E>>>(
            Named<"norm", RmsNorm<E>>(n.features, n.norm_eps),
            Named<"attn", Attention<E>>(AttentionSizes{
                .features = n.features, .heads = n.heads, .kv_heads = n.kv_heads, .head_dim = n.head_dim})) {}
};
template <class E_>
struct AttentionDecoder {
  using E = E_;
  using Blocks = Stack<Kept<E, AttentionBlock<E>>>;
  struct Saved {
    typename Blocks::Saved blocks;
    typename RmsNorm<E>::Saved norm;
  };
  Named<"embed_tokens", Embedding<E>> embed_tokens;
  Named<"blocks", Blocks> blocks;
  Named<"norm", RmsNorm<E>> norm;

  explicit AttentionDecoder(const TextSizes& n)
      : embed_tokens(n.vocabulary, n.features),
        blocks(std::vector<Kept<E, AttentionBlock<E>>>(static_cast<std::size_t>(n.layers),
                                                       Kept<E, AttentionBlock<E>>(n))),
        norm(n.features, n.norm_eps) {}
  template <class Hook>
  void forward(On<E> s, In<E> x, Out<E> y, Saved& saved, Hook&& hook) const {
    const Out<E> last = s.template keep<typename E::T>(x.rows(), x.extent[1]);
    blocks.forward(s, x, last, saved.blocks, hook);
    norm.forward(s, last, y, saved.norm);
  }
  template <class Dx, class Hook>
  void backward(On<E> s, const Saved& saved, In<E> dy, Dx dx, Hook&& hook) const {
    const auto given_back = s.scope();
    const Out<E> dlast = s.template scratch<typename E::T>(dy.rows(), dy.extent[1]);
    norm.backward(s, saved.norm, dy, dlast);
    blocks.backward(s, saved.blocks, dlast, dx, hook);
  }
  template <class F>
  void visit(F&& f) {
    embed_tokens.visit(f);
    blocks.visit(f);
    norm.visit(f);
  }
};
struct AttentionOnly {
  template <class E, class FeedForward>
  using Layer = AttentionDecoder<E>;
};

// The golden case with another number of taps.
ModelConfig config_of(const std::vector<Index>& taps) {
  ModelConfig config = golden::Case("dense_04_image_video").config;
  config.vision.taps = taps;
  return config;
}

template <class Spec, class Keep = Everything>
void check_learns(const ModelConfig& config) {
  using Net = Model<Spec, Cpu, F32, Trainable<part::All>, Keep>;
  Net net = Net::make(config, 7);
  for (Parameter& p : net.parameters()) golden::fill_parameter(p, 7);
  Batch batch = golden::pack(config, {golden::draw_sample(config, "..i...", {{1, 4, 6}}, 1),
                                      golden::draw_sample(config, ".v..", {{2, 2, 4}}, 2)});
  for (float& weight : batch.weights) weight = 1.0f / static_cast<float>(batch.weights.size());
  Runtime<Cpu> s(2);
  typename Net::RopeTables tables;
  double loss = 0;
  const auto pass = [&] { run_training_pass(s, net, batch, tables, loss); };
  s.plan(pass);
  const auto loss_now = [&] {
    loss = 0;
    pass();
    return loss;
  };
  net.zero_gradients();
  const double first = loss_now();
  std::vector<std::vector<float>> gradients;
  for (const Parameter& p : net.parameters()) gradients.emplace_back(p.gradient.begin(), p.gradient.end());

  // Along its gradient, each tensor changes the loss by the gradient's squared norm.
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    Parameter& p = net.parameters()[i];
    double norm = 0;
    for (const float g : gradients[i]) norm += static_cast<double>(g) * static_cast<double>(g);
    norm = std::sqrt(norm);
    if (norm < 1e-3) continue;  // too flat for differences in f32; compared with the reference elsewhere
    const std::vector<float> before(p.value.begin(), p.value.end());
    const auto moved = [&](double distance) {
      for (std::size_t k = 0; k < before.size(); ++k)
        p.value[k] = before[k] + static_cast<float>(distance / norm) * gradients[i][k];
      return loss_now();
    };
    constexpr double step = 1e-2;
    const double slope =
        (8 * (moved(step) - moved(-step)) - (moved(2 * step) - moved(-2 * step))) / (12 * step);
    std::copy(before.begin(), before.end(), p.value.begin());
    BOOST_TEST(std::abs(slope - norm) <= 2e-2 * norm + 1e-4, p.name << ": " << slope << " and " << norm);
  }

  AdamWOptimizer optimizer(net.parameters(), {});
  s.plan([&] {
    optimizer.gradient_norm(s);
    optimizer.update(s, 1, 0, 0);
  });
  for (Index at = 1; at <= 5; ++at) {
    net.zero_gradients();
    loss_now();
    optimizer.update(s, at, 1e-2, optimizer.gradient_norm(s));
  }
  BOOST_TEST(loss_now() < 0.9 * first);
}

using Turns = Rope<InterleavedM>;

}  // namespace

BOOST_AUTO_TEST_SUITE(model_own_parts)

BOOST_AUTO_TEST_CASE(a_merger_with_four_taps) {
  check_learns<Vlm<Encoder<SigLIP2>, Merger<Gated, DeepStack<4>>, Decoder<Qwen3, Dense>, Turns>>(
      config_of({0, 1, 2, 3}));
}

BOOST_AUTO_TEST_CASE(no_taps) {
  check_learns<Vlm<Encoder<SigLIP2>, Merger<Gated>, Decoder<Qwen3, Dense>, Turns>>(config_of({}));
}

BOOST_AUTO_TEST_CASE(an_encoder) {
  check_learns<Vlm<Encoder<Mixer>, Merger<MLP2, DeepStack<2>>, Decoder<Qwen3, Dense>, Turns>>(
      config_of({0, 2}));
}

BOOST_AUTO_TEST_CASE(a_decoder_with_all_parts_of_ones_own) {
  check_learns<
      Vlm<Encoder<Mixer>, Merger<Gated, DeepStack<1>>, Decoder<AttentionOnly, Dense>, Rope<SectionedM>>,
      BlockInputs>([] {
    ModelConfig config = config_of({1});
    config.text.rope_interleaved = false;
    return config;
  }());
}

// Names follow from the composition, so files of one's own load and save.
BOOST_AUTO_TEST_CASE(names_of_ones_own_parts) {
  using Own =
      Model<Vlm<Encoder<Mixer>, Merger<Gated, DeepStack<1>>, Decoder<AttentionOnly, Dense>, Turns>, Cpu>;
  const Own net = Own::make(config_of({1}), 1);
  const auto has = [&](const std::string& name) {
    return std::any_of(net.parameters().begin(), net.parameters().end(),
                       [&](const Parameter& p) { return p.name == name; });
  };
  BOOST_TEST(has("model.visual.patches.weight"));
  BOOST_TEST(has("model.visual.blocks.3.mlp.linear_fc2.bias"));
  BOOST_TEST(has("model.visual.merger.glu.up_proj.weight"));
  BOOST_TEST(has("model.visual.deepstack_merger_list.0.proj.weight"));
  BOOST_TEST(has("model.language_model.blocks.2.attn.q_norm.weight"));
}

// A layer of one's own is checked alone, as the library's are.
BOOST_AUTO_TEST_CASE(gradients_of_a_merger_of_ones_own) {
  using E = Env<Cpu, F32, Trained>;
  require_gradients(GatedMerger<E>({.features = 8, .outputs = 6}), {.rows = 8, .features = 8});
}

BOOST_AUTO_TEST_SUITE_END()
