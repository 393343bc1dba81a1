// Fold<H, W, E>: H * W neighbouring rows become one row, side by side: [rows, f] -> [rows / (H W), H W f].
// With patches in merge-window order this is the spatial merge of H x W patches into one visual token.
#pragma once

#include <vlm/nn/layer.hpp>
#include <vlm/ops/add.hpp>

namespace vlm {

template <int H, int W, class E_>
struct Fold {
  using Environment = E_;
  using E = E_;
  using D = typename E::Device;
  using T = typename E::T;
  static constexpr bool trained = false;
  static constexpr Index window = H * W;
  struct Saved {};

  Index features;  // of the rows that come in

  explicit Fold(Index inputs) : features(inputs) {}
  Shape<2> out_shape(Index rows) const { return {{rows / window, features * window}}; }

  void forward(On<E> s, In<E> x, Out<E> y, Saved&) const {
    require_shape("Fold, x", x, {{x.rows() / window * window, features}});
    require_shape("Fold, y", y, out_shape(x.rows()));
    s.run(Copy<D, T>{.into = unfolded(y), .from = x});
  }
  template <class Dx>
  void backward(On<E> s, const Saved&, In<E> dy, Dx dx) const {
    if constexpr (wanted<Dx>) s.run(Copy<D, T>{.into = dx, .from = unfolded(dy)});
  }
  template <class F>
  void visit(F&&) {}

 private:
  // Folded rows seen as the rows they were made of, which dense ones can be.
  template <class U>
  View<U, 2, D> unfolded(View<U, 2, D> y) const {
    if (!y.dense())
      throw ShapeError("layer-rows", {{"at", "Fold, folded rows"},
                                      {"expected", "a pitch of " + std::to_string(y.features())},
                                      {"got", std::to_string(y.pitch)},
                                      {"try", "rows of their own, not columns of wider ones"}});
    return {y.data, Shape<2>{{y.rows() * window, features}}};
  }
};

}  // namespace vlm
