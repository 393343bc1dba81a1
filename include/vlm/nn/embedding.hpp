// Tables looked up by row.
//   Embedding      y[i] = table[ids[i]]                              HF: ...weight [vocabulary, features]
//   PositionTable  a square table of 2-D positions, interpolated     HF: ...weight [side * side, features]
#pragma once

#include <cstdint>

#include <vlm/nn/layer.hpp>
#include <vlm/nn/param.hpp>
#include <vlm/ops/embedding.hpp>
#include <vlm/ops/interpolate.hpp>

namespace vlm {

template <class E_>
struct Embedding {
  using Environment = E_;
  using E = E_;
  using D = typename E::Device;
  static constexpr bool trained = E::trained;

  Param<E, 2> weight;

  Embedding(Index vocabulary, Index features) : weight(Shape<2>{{vocabulary, features}}) {
    weight.allow_blocks(BlockFormats::All);
  }

  void forward(On<E> s, View<const std::int32_t, 1, D> ids, Out<E> y) const {
    s.run(EmbeddingForward<D, typename E::T>{.ids = ids, .table = weight.matrix(), .y = y});
  }
  void backward(On<E> s, View<const std::int32_t, 1, D> ids, In<E> dy) const {
    if constexpr (trained)
      s.run(EmbeddingBackward<D, typename E::T>{.ids = ids, .dy = dy, .dtable = weight.gradient()});
  }
  template <class F>
  void visit(F&& f) {
    f("weight", weight);
  }
};

template <class E_>
struct PositionTable {
  using Environment = E_;
  using E = E_;
  using D = typename E::Device;
  static constexpr bool trained = E::trained;

  Param<E, 2> weight;

  PositionTable(Index positions, Index features) : weight(Shape<2>{{positions, features}}) {}

  // Adds to y the weighted sum of four table rows each.
  void forward(On<E> s, View<const std::int32_t, 2, D> corners, View<const float, 2, D> weights,
               Out<E> y) const {
    s.run(InterpolateForward<D, typename E::T>{
        .table = {static_cast<const float*>(weight.data()), weight.shape()},
        .corners = corners,
        .weights = weights,
        .y = y});
  }
  void backward(On<E> s, View<const std::int32_t, 2, D> corners, View<const float, 2, D> weights,
                In<E> dy) const {
    if constexpr (trained)
      s.run(InterpolateBackward<D, typename E::T>{
          .dy = dy, .corners = corners, .weights = weights, .dtable = weight.gradient()});
  }
  template <class F>
  void visit(F&& f) {
    f("weight", weight);
  }
};

}  // namespace vlm
