// Chain<A, B, ...>: B(A(x)). The rows in between are kept for the backward.
#pragma once

#include <utility>

#include <vlm/nn/layer.hpp>

namespace vlm {

template <class... Layers>
struct Chain;

template <class A, class B>
struct Chain<A, B> {
  using Environment = typename A::Environment;
  using E = Environment;
  static constexpr bool trained = A::trained || B::trained;
  struct Saved {
    typename A::Saved first;
    Out<E> middle;
    typename B::Saved second;
  };

  A first;
  B second;

  Chain(A a, B b) : first(std::move(a)), second(std::move(b)) {}
  Shape<2> out_shape(Index rows) const { return second.out_shape(first.out_shape(rows)[0]); }

  void forward(On<E> s, In<E> x, Out<E> y, Saved& saved) const {
    const Shape<2> middle = first.out_shape(x.rows());
    saved.middle = s.template keep<typename E::T>(middle[0], middle[1]);
    first.forward(s, x, saved.middle, saved.first);
    second.forward(s, saved.middle, y, saved.second);
  }

  void forward_last(On<E> s, In<E> x, Out<E> y, Saved& saved) const
    requires(ForwardLast<A, E>)
  {
    saved.middle = s.template keep<typename E::T>(y.rows(), first.out_shape(x.rows())[1]);
    first.forward_last(s, x, saved.middle, saved.first);
    if (y.rows() > 0) second.forward(s, saved.middle, y, saved.second);
  }

  template <class Dx>
  void backward(On<E> s, const Saved& saved, In<E> dy, Dx dx) const
    requires(Backward<A, E> && Backward<B, E>)
  {
    if constexpr (A::trained || wanted<Dx>) {
      const auto given_back = s.scope();
      const Out<E> dmiddle = s.template scratch<typename E::T>(saved.middle.rows(), saved.middle.extent[1]);
      second.backward(s, saved.second, dy, dmiddle);
      first.backward(s, saved.first, dmiddle, dx);
    } else {
      second.backward(s, saved.second, dy, nothing);
    }
  }

  template <class F>
  void visit(F&& f) {
    first.visit(f);
    second.visit(f);
  }
};

template <class A, class B, class C, class... More>
struct Chain<A, B, C, More...> : Chain<A, Chain<B, C, More...>> {
  Chain(A a, B b, C c, More... more)
      : Chain<A, Chain<B, C, More...>>(
            std::move(a), Chain<B, C, More...>(std::move(b), std::move(c), std::move(more)...)) {}
};

}  // namespace vlm
