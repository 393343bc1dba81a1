// Residual<Norm, Body>:  y = x + Body(Norm(x)).  The only place where activations add.
#pragma once

#include <algorithm>
#include <utility>

#include <vlm/nn/layer.hpp>
#include <vlm/ops/add.hpp>

namespace vlm {

template <class Norm, class Body>
struct Residual {
  using Environment = typename Norm::Environment;
  using E = Environment;
  static constexpr bool trained = Norm::trained || Body::trained;
  struct Saved {
    typename Norm::Saved norm;
    typename Body::Saved body;
  };

  Norm norm;
  Body body;

  Residual(Norm n, Body b) : norm(std::move(n)), body(std::move(b)) {}
  Shape<2> out_shape(Index rows) const { return body.out_shape(rows); }

  void forward(On<E> s, In<E> x, Out<E> y, Saved& saved) const {
    require_shape("Residual, x and body(x)", x, body.out_shape(x.rows()));
    require_shape("Residual, y", y, out_shape(x.rows()));
    const Out<E> normed = s.template keep<typename E::T>(x.rows(), x.extent[1]);
    norm.forward(s, x, normed, saved.norm);
    body.forward(s, normed, y, saved.body);
    s.run(Add<typename E::Device, typename E::T>{.into = y, .a = x, .b = y});
  }

  void forward_last(On<E> s, In<E> x, Out<E> y, Saved& saved) const
    requires(ForwardLast<Body, E>)
  {
    require_shape("Residual, x and body(x)", x, body.out_shape(x.rows()));
    require_shape("Residual, y", y, out_shape(std::min(y.rows(), x.rows())));
    const Out<E> normed = s.template keep<typename E::T>(x.rows(), x.extent[1]);
    norm.forward(s, x, normed, saved.norm);
    body.forward_last(s, normed, y, saved.body);
    s.run(Add<typename E::Device, typename E::T>{.into = y, .a = last_rows(x, y.rows()), .b = y});
  }

  template <class Dx>
  void backward(On<E> s, const Saved& saved, In<E> dy, Dx dx) const
    requires(Backward<Norm, E> && Backward<Body, E>)
  {
    const auto given_back = s.scope();
    if constexpr (wanted<Dx> || Norm::trained) {
      const Out<E> dnormed = s.template scratch<typename E::T>(dy.rows(), dy.extent[1]);
      body.backward(s, saved.body, dy, dnormed);
      norm.backward(s, saved.norm, dnormed, dx);
      if constexpr (wanted<Dx>) s.run(Add<typename E::Device, typename E::T>{.into = dx, .a = dx, .b = dy});
    } else {
      body.backward(s, saved.body, dy, nothing);
    }
  }

  template <class F>
  void visit(F&& f) {
    norm.visit(f);
    body.visit(f);
  }
};

}  // namespace vlm
