// The SigLIP-2 encoder as Qwen3-VL uses it: patch embedding, interpolated position table, blocks with 2-D
// rotary attention inside one image or one temporal step.
//   HF: patch_embed.proj, pos_embed.weight, blocks.{i}.{norm1, attn, norm2, mlp}
#pragma once

#include <utility>
#include <vector>

#include <vlm/nn/attention.hpp>
#include <vlm/nn/chain.hpp>
#include <vlm/nn/embedding.hpp>
#include <vlm/nn/mlp.hpp>
#include <vlm/nn/recompute.hpp>
#include <vlm/nn/residual.hpp>
#include <vlm/nn/stack.hpp>

namespace vlm {

// Sizes of the vision tower; the fields of vision_config.
struct VisionSizes {
  Index depth = 0, features = 0, intermediate = 0, heads = 0;
  Index channels = 3, patch_size = 16, temporal_patch_size = 2, merge_size = 2;
  Index positions = 2304;   // rows of the position table, a square number
  Index out_features = 0;   // of a visual token
  std::vector<Index> taps;  // blocks whose outputs DeepStack takes
  float norm_eps = 1e-6f;

  Index head_dim() const { return features / heads; }
  Index patch_features() const { return channels * temporal_patch_size * patch_size * patch_size; }
};

template <class E>
struct VisionBlock : Chain<Residual<Named<"norm1", LayerNorm<E>>, Named<"attn", FusedAttention<E>>>,
                           Residual<Named<"norm2", LayerNorm<E>>, Named<"mlp", Mlp2<E, Gelu::Tanh>>>> {
  using Attend = Residual<Named<"norm1", LayerNorm<E>>, Named<"attn", FusedAttention<E>>>;
  using Feed = Residual<Named<"norm2", LayerNorm<E>>, Named<"mlp", Mlp2<E, Gelu::Tanh>>>;

  explicit VisionBlock(const VisionSizes& n)
      : Chain<Attend, Feed>(
            Attend(Named<"norm1", LayerNorm<E>>(n.features, n.norm_eps),
                   Named<"attn", FusedAttention<E>>(AttentionSizes{.features = n.features,
                                                                   .heads = n.heads,
                                                                   .kv_heads = n.heads,
                                                                   .head_dim = n.head_dim()})),
            Feed(Named<"norm2", LayerNorm<E>>(n.features, n.norm_eps),
                 Named<"mlp", Mlp2<E, Gelu::Tanh>>(n.features, n.intermediate, n.features))) {}
};

// What the tower reads, on its device. Attention's borders and tables travel in Runtime::sequences().
template <class D, class T>
struct VisionInputs {
  View<const T, 2, D> patches;             // [patches, channels * temporal * size * size]
  View<const std::int32_t, 2, D> corners;  // [patches, 4] rows of the position table
  View<const float, 2, D> weights;         // [patches, 4]
};

template <class E_>
struct SigLIP2Encoder {
  using E = E_;
  using D = typename E::Device;
  using T = typename E::T;
  using Block = Kept<E, VisionBlock<E>>;
  struct Saved {
    typename Linear<E, true>::Saved patch_embed;
    typename Stack<Block>::Saved blocks;
  };

  Named<"patch_embed", Named<"proj", Linear<E, true>>> patch_embed;
  Named<"pos_embed", PositionTable<E>> pos_embed;
  Named<"blocks", Stack<Block>> blocks;

  explicit SigLIP2Encoder(const VisionSizes& n)
      : patch_embed(
            n.patch_features(), n.features,
            std::vector<Index>{n.features, n.channels, n.temporal_patch_size, n.patch_size, n.patch_size}),
        pos_embed(n.positions, n.features),
        blocks(make_blocks(n)) {}

  // y [patches, features]; `hook` sees the rows after each block.
  template <class Hook>
  void forward(On<E> s, const VisionInputs<D, T>& in, Out<E> y, Saved& saved, Hook&& hook) const {
    const Out<E> x = s.template keep<T>(y.rows(), y.extent[1]);
    patch_embed.forward(s, in.patches, x, saved.patch_embed);
    s.observe("visual.patch_embed", -1, x);
    pos_embed.forward(s, in.corners, in.weights, x);
    s.observe("visual.embeddings", -1, x);
    blocks.forward(s, x, y, saved.blocks, hook);
  }
  template <class Hook>
  void backward(On<E> s, const VisionInputs<D, T>& in, const Saved& saved, In<E> dy, Hook&& hook) const {
    const auto given_back = s.scope();
    const Out<E> dx = s.template scratch<T>(dy.rows(), dy.extent[1]);
    blocks.backward(s, saved.blocks, dy, dx, hook);
    pos_embed.backward(s, in.corners, in.weights, dx);
    patch_embed.backward(s, saved.patch_embed, dx, nothing);
  }

  template <class F>
  void visit(F&& f) {
    patch_embed.visit(f);
    pos_embed.visit(f);
    blocks.visit(f);
  }

 private:
  static std::vector<Block> make_blocks(const VisionSizes& n) {
    std::vector<Block> list;
    for (Index i = 0; i < n.depth; ++i) list.emplace_back(n);
    return list;
  }
};

struct SigLIP2 {
  template <class E>
  using Layer = SigLIP2Encoder<E>;
};

}  // namespace vlm
