// A layer of one's own, from its operation to a block; docs/one-layer.md walks through it.
//   LayerScale    y[i, j] = x[i, j] * weight[j]         HF: ...lambda1 in DINOv2
//   ScaledBlock   y = x + LayerScale(SwiGlu(RmsNorm(x)))
// Source of the idea: Touvron et al., "Going deeper with Image Transformers", 2021.
#pragma once

#include <cstddef>
#include <vector>

#include <vlm/core.hpp>
#include <vlm/nn.hpp>

namespace example {

using namespace vlm;

template <class D, class T>
struct ScaleForward {
  View<const T, 2, D> x{};           // [rows, features]
  View<const float, 1, D> weight{};  // [features]
  View<T, 2, D> y{};                 // [rows, features]
};

template <class D, class T>
struct ScaleBackward {
  View<const T, 2, D> dy{}, x{};     // [rows, features]
  View<const float, 1, D> weight{};  // [features]
  View<T, 2, D> dx{};                // [rows, features], overwritten, may be dy itself; or empty
  View<float, 1, D> dweight{};       // [features], adds; or empty
};

// Each element is made by one task, so any number of threads gives the same bits.
template <class T>
void compute(Queue<Cpu>& queue, const ScaleForward<Cpu, T>& op, Scratch) {
  queue.parallel(op.x.rows(), [&](Index i, int) {
    for (Index j = 0; j < op.x.extent[1]; ++j) op.y(i, j) = op.x(i, j) * op.weight(j);
  });
}

// Each sum over the rows belongs to one task, which adds from the first row to the last.
template <class T>
void compute(Queue<Cpu>& queue, const ScaleBackward<Cpu, T>& op, Scratch) {
  queue.parallel(op.dy.extent[1], [&](Index j, int) {
    float sum = 0;
    for (Index i = 0; i < op.dy.rows(); ++i) {
      sum += op.dy(i, j) * op.x(i, j);
      if (op.dx) op.dx(i, j) = op.dy(i, j) * op.weight(j);
    }
    if (op.dweight) op.dweight(j) += sum;
  });
}

template <class E_>
struct LayerScale {
  using Environment = E_;
  using E = E_;
  using D = typename E::Device;
  using T = typename E::T;
  static constexpr bool trained = E::trained;
  struct Saved {
    In<E> x;
  };

  Param<E, 1> weight;

  explicit LayerScale(Index features) : weight(Shape<1>{{features}}, Initial::One) {}
  Shape<2> out_shape(Index rows) const { return {{rows, weight.shape()[0]}}; }

  void forward(On<E> s, In<E> x, Out<E> y, Saved& saved) const {
    require_shape("LayerScale, x", x, out_shape(x.rows()));
    require_shape("LayerScale, y", y, out_shape(x.rows()));
    saved.x = x;
    s.run(ScaleForward<D, T>{.x = x, .weight = weight.vector(), .y = y});
  }
  template <class Dx>
  void backward(On<E> s, const Saved& saved, In<E> dy, Dx dx) const {
    s.run(ScaleBackward<D, T>{
        .dy = dy, .x = saved.x, .weight = weight.vector(), .dx = dx, .dweight = weight.gradient()});
  }
  template <class F>
  void visit(F&& f) {
    f("lambda1", weight);
  }
};

template <class E>
using ScaledMlp = Chain<Named<"mlp", SwiGlu<E>>, Named<"layer_scale", LayerScale<E>>>;

template <class E>
struct ScaledBlock : Residual<Named<"norm", RmsNorm<E>>, ScaledMlp<E>> {
  ScaledBlock(Index features, Index intermediate)
      : Residual<Named<"norm", RmsNorm<E>>, ScaledMlp<E>>(
            Named<"norm", RmsNorm<E>>(features, 1e-6f),
            ScaledMlp<E>(Named<"mlp", SwiGlu<E>>(features, intermediate),
                         Named<"layer_scale", LayerScale<E>>(features))) {}
};

// As many blocks as one likes; Kept makes each a Recompute where the environment keeps block inputs only.
template <class E>
using ScaledBlocks = Named<"blocks", Stack<Kept<E, ScaledBlock<E>>>>;

template <class E>
ScaledBlocks<E> make_blocks(std::size_t depth, Index features, Index intermediate) {
  using Block = Kept<E, ScaledBlock<E>>;
  return ScaledBlocks<E>(Stack<Block>(std::vector<Block>(depth, Block(features, intermediate))));
}

}  // namespace example
