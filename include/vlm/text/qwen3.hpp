// The Qwen3 decoder: token table, blocks (attention, then a dense or sparse feed-forward), last norm.
//   HF: embed_tokens.weight, norm.weight,
//       layers.{i}.{input_layernorm, self_attn, post_attention_layernorm, mlp}
#pragma once

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include <vlm/nn/attention.hpp>
#include <vlm/nn/chain.hpp>
#include <vlm/nn/embedding.hpp>
#include <vlm/nn/mlp.hpp>
#include <vlm/nn/moe.hpp>
#include <vlm/nn/recompute.hpp>
#include <vlm/nn/residual.hpp>
#include <vlm/nn/stack.hpp>
#include <vlm/nn/yarn.hpp>

namespace vlm {

// Sizes of the text stream; the fields of text_config.
struct TextSizes {
  Index vocabulary = 0, features = 0, layers = 0;
  Index heads = 0, kv_heads = 0, head_dim = 0;
  Index intermediate = 0;                                  // of a dense feed-forward
  Index experts = 0, chosen = 0, expert_intermediate = 0;  // of a sparse one; experts is 0 when dense
  float norm_eps = 1e-6f;
  double rope_theta = 5e6;
  std::array<Index, 3> rope_section{};     // frequencies of the axes time, height, width
  std::optional<bool> rope_interleaved{};  // whether the axes take turns, where the file says it
  std::optional<Yarn> yarn{};              // of a context that is longer than the trained one
};

// The feed-forward kinds that a decoder can be made of.
struct Dense {
  static constexpr bool sparse = false;
  template <class E>
  struct Layer : SwiGlu<E> {
    explicit Layer(const TextSizes& n) : SwiGlu<E>(n.features, n.intermediate) {}
  };
};
struct MoE {
  static constexpr bool sparse = true;
  template <class E>
  struct Layer : SparseMoe<E> {
    explicit Layer(const TextSizes& n)
        : SparseMoe<E>(MoeSizes{.features = n.features,
                                .intermediate = n.expert_intermediate,
                                .experts = n.experts,
                                .chosen = n.chosen}) {}
  };
};

template <class E, class FeedForward>
struct DecoderBlock
    : Chain<Residual<Named<"input_layernorm", RmsNorm<E>>, Named<"self_attn", Attention<E>>>,
            Residual<Named<"post_attention_layernorm", RmsNorm<E>>, Named<"mlp", FeedForward>>> {
  using Attend = Residual<Named<"input_layernorm", RmsNorm<E>>, Named<"self_attn", Attention<E>>>;
  using Feed = Residual<Named<"post_attention_layernorm", RmsNorm<E>>, Named<"mlp", FeedForward>>;

  explicit DecoderBlock(const TextSizes& n)
      : Chain<Attend, Feed>(Attend(Named<"input_layernorm", RmsNorm<E>>(n.features, n.norm_eps),
                                   Named<"self_attn", Attention<E>>(AttentionSizes{.features = n.features,
                                                                                   .heads = n.heads,
                                                                                   .kv_heads = n.kv_heads,
                                                                                   .head_dim = n.head_dim,
                                                                                   .norm_eps = n.norm_eps})),
                            Feed(Named<"post_attention_layernorm", RmsNorm<E>>(n.features, n.norm_eps),
                                 Named<"mlp", FeedForward>(n))) {}
};

template <class E_, class FeedForward>
struct Qwen3Decoder {
  using E = E_;
  using D = typename E::Device;
  using T = typename E::T;
  using Block = Kept<E, DecoderBlock<E, FeedForward>>;
  struct Saved {
    typename Stack<Block>::Saved layers;
    typename RmsNorm<E>::Saved norm;
  };

  Named<"embed_tokens", Embedding<E>> embed_tokens;
  Named<"layers", Stack<Block>> layers;
  Named<"norm", RmsNorm<E>> norm;

  explicit Qwen3Decoder(const TextSizes& n)
      : embed_tokens(n.vocabulary, n.features), layers(make_blocks(n)), norm(n.features, n.norm_eps) {}

  // Embedded rows to normed hidden rows; `hook` sees the rows after each block.
  template <class Hook>
  void forward(On<E> s, In<E> x, Out<E> y, Saved& saved, Hook&& hook) const {
    const Out<E> last = s.template keep<T>(x.rows(), x.extent[1]);
    layers.forward(s, x, last, saved.layers, hook);
    norm.forward(s, last, y, saved.norm);
  }
  // The last y.rows() rows alone; Stack::forward_last.
  template <class Hook>
  void forward_last(On<E> s, In<E> x, Out<E> y, Hook&& hook) const {
    const Out<E> last = s.template keep<T>(y.rows(), y.extent[1]);
    layers.forward_last(s, x, last, hook);
    typename RmsNorm<E>::Saved saved;
    norm.forward(s, last, y, saved);
  }
  // dx: gradient of the embedded rows, or `nothing`.
  template <class Dx, class Hook>
  void backward(On<E> s, const Saved& saved, In<E> dy, Dx dx, Hook&& hook) const {
    const auto given_back = s.scope();
    const Out<E> dlast = s.template scratch<T>(dy.rows(), dy.extent[1]);
    norm.backward(s, saved.norm, dy, dlast);
    layers.backward(s, saved.layers, dlast, dx, hook);
  }

  template <class F>
  void visit(F&& f) {
    embed_tokens.visit(f);
    layers.visit(f);
    norm.visit(f);
  }

 private:
  static std::vector<Block> make_blocks(const TextSizes& n) {
    std::vector<Block> blocks;
    for (Index i = 0; i < n.layers; ++i) blocks.emplace_back(n);
    return blocks;
  }
};

struct Qwen3 {
  template <class E, class FeedForward>
  using Layer = Qwen3Decoder<E, FeedForward>;
};

}  // namespace vlm
