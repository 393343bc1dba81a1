// Norms over the features of a row.
//   RmsNorm    y = x / rms(x) * weight                              HF: ...weight
//   LayerNorm  y = (x - mean) / deviation * weight + bias           HF: ...weight, ...bias
#pragma once

#include <vlm/nn/layer.hpp>
#include <vlm/nn/param.hpp>
#include <vlm/ops/layer_norm.hpp>
#include <vlm/ops/rms_norm.hpp>

namespace vlm {

// Also norms each head of a row alone, when the row holds several groups of `group` features. Made with a group that
// does not divide the features: ConfigError [layer-size].
template <class E_>
struct RmsNorm {
  using Environment = E_;
  using E = E_;
  static constexpr bool trained = E::trained;
  struct Saved {
    In<E> x;
    View<float, 2, typename E::Device> rstd;  // [rows, groups]
  };

  Param<E, 1> weight;
  Index features;
  float eps;

  RmsNorm(Index group, float epsilon) : RmsNorm(group, group, epsilon) {}
  RmsNorm(Index all_features, Index group, float epsilon)
      : weight(Shape<1>{{group}}, Initial::One), features(all_features), eps(epsilon) {
    require_sizes("RmsNorm", group > 0 && all_features >= 0 && all_features % group == 0,
                  "features, and a group that divides them", {all_features, group});
  }
  Shape<2> out_shape(Index rows) const { return {{rows, features}}; }

  void forward(On<E> s, In<E> x, Out<E> y, Saved& saved) const {
    require_shape("RmsNorm, x", x, out_shape(x.rows()));
    require_shape("RmsNorm, y", y, out_shape(x.rows()));
    saved.x = x;
    saved.rstd = s.template keep<float>(x.rows(), features / weight.shape()[0]);
    s.run(RmsNormForward<typename E::Device, typename E::T>{
        .x = x, .weight = weight.vector(), .y = y, .rstd = saved.rstd, .eps = eps});
  }
  template <class Dx>
  void backward(On<E> s, const Saved& saved, In<E> dy, Dx dx) const {
    s.run(RmsNormBackward<typename E::Device, typename E::T>{.dy = dy,
                                                             .x = saved.x,
                                                             .weight = weight.vector(),
                                                             .rstd = saved.rstd,
                                                             .dx = dx,
                                                             .dweight = weight.gradient()});
  }
  template <class F>
  void visit(F&& f) {
    f("weight", weight);
  }
};

template <class E_>
struct LayerNorm {
  using Environment = E_;
  using E = E_;
  static constexpr bool trained = E::trained;
  struct Saved {
    In<E> x;
    View<float, 2, typename E::Device> statistics;  // [rows, 2]
  };

  Param<E, 1> weight, bias;
  float eps;

  LayerNorm(Index features, float epsilon)
      : weight(Shape<1>{{features}}, Initial::One), bias(Shape<1>{{features}}, Initial::Zero), eps(epsilon) {}
  Shape<2> out_shape(Index rows) const { return {{rows, weight.shape()[0]}}; }

  void forward(On<E> s, In<E> x, Out<E> y, Saved& saved) const {
    require_shape("LayerNorm, x", x, out_shape(x.rows()));
    require_shape("LayerNorm, y", y, out_shape(x.rows()));
    saved.x = x;
    saved.statistics = s.template keep<float>(x.rows(), Index{2});
    s.run(LayerNormForward<typename E::Device, typename E::T>{.x = x,
                                                              .weight = weight.vector(),
                                                              .bias = bias.vector(),
                                                              .y = y,
                                                              .statistics = saved.statistics,
                                                              .eps = eps});
  }
  template <class Dx>
  void backward(On<E> s, const Saved& saved, In<E> dy, Dx dx) const {
    s.run(LayerNormBackward<typename E::Device, typename E::T>{.dy = dy,
                                                               .x = saved.x,
                                                               .weight = weight.vector(),
                                                               .statistics = saved.statistics,
                                                               .dx = dx,
                                                               .dweight = weight.gradient(),
                                                               .dbias = bias.gradient()});
  }
  template <class F>
  void visit(F&& f) {
    f("weight", weight);
    f("bias", bias);
  }
};

}  // namespace vlm
