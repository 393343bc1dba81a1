// Recompute<L>: keeps only L's input and runs its forward again in the backward (activation checkpointing).
// Source: Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.
#pragma once

#include <type_traits>

#include <vlm/nn/layer.hpp>

namespace vlm {

template <class L>
struct Recompute : L {
  using L::L;
  using E = typename L::Environment;
  struct Saved {
    In<E> x;
  };

  void forward(On<E> s, In<E> x, Out<E> y, Saved& saved) const {
    saved.x = x;
    const auto given_back = s.scope();
    typename L::Saved inner;
    L::forward(s, x, y, inner);
  }

  // As answering passes, which has no backward.
  void forward_last(On<E> s, In<E> x, Out<E> y, Saved&) const
    requires(ForwardLast<L, E>)
  {
    const auto given_back = s.scope();
    typename L::Saved inner;
    L::forward_last(s, x, y, inner);
  }

  template <class Dx>
  void backward(On<E> s, const Saved& saved, In<E> dy, Dx dx) const
    requires(Backward<L, E>)
  {
    const auto given_back = s.scope();
    typename L::Saved inner;
    const Shape<2> shape = L::out_shape(saved.x.rows());
    L::forward(s, saved.x, s.template scratch<typename E::T>(shape[0], shape[1]), inner);
    L::backward(s, inner, dy, dx);
  }
};

// L itself, or Recompute<L> where the environment keeps block inputs only.
template <class E, class L>
using Kept = std::conditional_t<E::passes && std::is_same_v<typename E::Keep, BlockInputs>, Recompute<L>, L>;

}  // namespace vlm
