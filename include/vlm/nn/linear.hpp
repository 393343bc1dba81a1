// Linear:  y = x W' (+ bias).   HF: ...weight [outputs, inputs], ...bias [outputs]
#pragma once

#include <type_traits>
#include <utility>
#include <vector>

#include <vlm/nn/layer.hpp>
#include <vlm/nn/param.hpp>
#include <vlm/ops/matmul.hpp>

namespace vlm {

template <class E_, bool WithBias = false>
struct Linear {
  using Environment = E_;
  using E = E_;
  static constexpr bool trained = E::trained;
  struct NoBias {};
  struct Saved {
    In<E> x;
  };

  Param<E, 2> weight;
  [[no_unique_address]] std::conditional_t<WithBias, Param<E, 1>, NoBias> bias;

  Linear(Index inputs, Index outputs) : weight(Shape<2>{{outputs, inputs}}) {
    weight.allow_blocks(BlockFormats::All);
    make_bias(outputs);
  }
  // `stored`: the weight's shape in a file, whose trailing dimensions make up the inputs.
  Linear(Index inputs, Index outputs, std::vector<Index> stored)
      : weight(Shape<2>{{outputs, inputs}}, std::move(stored)) {
    make_bias(outputs);
  }
  Shape<2> out_shape(Index rows) const { return {{rows, weight.shape()[0]}}; }

  using Forwards = LinearForwards<typename E::Device, typename E::T>;

  void forward(On<E> s, In<E> x, Out<E> y, Saved& saved) const {
    s.run(Forwards{.x = x, .products = {product(x, y, saved)}, .count = 1}.alone(0));
  }
  // What a pass of several layers at once takes of this one: forward_together.
  typename Forwards::Product product(In<E> x, Out<E> y, Saved& saved) const {
    require_shape("Linear, x", x, {{x.rows(), weight.shape()[1]}});
    require_shape("Linear, y", y, out_shape(x.rows()));
    saved.x = x;
    typename Forwards::Product one{.weight = weight.matrix(), .y = y};
    if constexpr (WithBias) one.bias = bias.vector();
    return one;
  }

  // `add`: dx += instead of dx =, for layers that read one input through several products.
  template <class Dx>
  void backward(On<E> s, const Saved& saved, In<E> dy, Dx dx, bool add = false) const {
    using D = typename E::Device;
    if constexpr (wanted<Dx>)
      s.run(LinearBackwardInput<D, typename E::T>{.dy = dy, .weight = weight.matrix(), .dx = dx, .add = add});
    if constexpr (trained) {
      LinearBackwardWeight<D, typename E::T> op{.dy = dy, .x = saved.x, .dweight = weight.gradient()};
      if constexpr (WithBias) op.dbias = bias.gradient();
      s.run(op);
    }
  }

  template <class F>
  void visit(F&& f) {
    f("weight", weight);
    if constexpr (WithBias) f("bias", bias);
  }

 private:
  void make_bias(Index outputs) {
    if constexpr (WithBias) bias = Param<E, 1>(Shape<1>{{outputs}}, Initial::Zero);
  }
};

// The products of several layers with the same rows.
template <class E, class... Products>
void forward_together(On<E> s, In<E> x, const Products&... products) {
  s.run(LinearForwards<typename E::Device, typename E::T>{
      .x = x, .products = {products...}, .count = static_cast<int>(sizeof...(Products))});
}

}  // namespace vlm
