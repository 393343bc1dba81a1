// Mergers: four neighbouring patches become one visual token of the text stream's width.
//   main   norm over a patch, then fold, then MLP      HF: merger.{norm, linear_fc1, linear_fc2}
//   tap    fold, then norm over the window, then MLP   HF: deepstack_merger_list.{j}.{norm, linear_fc1, ...}
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <vlm/nn/chain.hpp>
#include <vlm/nn/fold.hpp>
#include <vlm/nn/mlp.hpp>
#include <vlm/nn/norm.hpp>

namespace vlm {

struct MergerSizes {
  Index features = 0;  // of a patch
  Index outputs = 0;   // of a visual token
  float norm_eps = 1e-6f;
};

template <class E>
struct MainMerger : Chain<Named<"norm", LayerNorm<E>>, Fold<2, 2, E>, Mlp2<E, Gelu::Erf>> {
  explicit MainMerger(const MergerSizes& n)
      : Chain<Named<"norm", LayerNorm<E>>, Fold<2, 2, E>, Mlp2<E, Gelu::Erf>>(
            Named<"norm", LayerNorm<E>>(n.features, n.norm_eps), Fold<2, 2, E>(n.features),
            Mlp2<E, Gelu::Erf>(4 * n.features, 4 * n.features, n.outputs)) {}
};

template <class E>
struct TapMerger : Chain<Fold<2, 2, E>, Named<"norm", LayerNorm<E>>, Mlp2<E, Gelu::Erf>> {
  explicit TapMerger(const MergerSizes& n)
      : Chain<Fold<2, 2, E>, Named<"norm", LayerNorm<E>>, Mlp2<E, Gelu::Erf>>(
            Fold<2, 2, E>(n.features), Named<"norm", LayerNorm<E>>(4 * n.features, n.norm_eps),
            Mlp2<E, Gelu::Erf>(4 * n.features, 4 * n.features, n.outputs)) {}
};

// The merger kind of Qwen3-VL. A kind of one's own has `Layer`, and `Tap` where taps are
// merged in another way.
struct MLP2 {
  template <class E>
  using Layer = MainMerger<E>;
  template <class E>
  using Tap = TapMerger<E>;
};

}  // namespace vlm
