// Feed-forward layers.
//   Mlp2    fc2(gelu(fc1(x))), with biases       HF: linear_fc1 linear_fc2
//   SwiGlu  down(silu(gate(x)) * up(x))          HF: gate_proj up_proj down_proj
#pragma once

#include <vlm/nn/linear.hpp>
#include <vlm/nn/named.hpp>
#include <vlm/ops/activation.hpp>

namespace vlm {

template <class E_, Gelu Kind>
struct Mlp2 {
  using Environment = E_;
  using E = E_;
  using D = typename E::Device;
  using T = typename E::T;
  static constexpr bool trained = E::trained;
  struct Saved {
    typename Linear<E, true>::Saved fc1, fc2;
    Out<E> inner;  // [rows, intermediate] before the activation
  };

  Named<"linear_fc1", Linear<E, true>> fc1;
  Named<"linear_fc2", Linear<E, true>> fc2;

  Mlp2(Index inputs, Index intermediate, Index outputs)
      : fc1(inputs, intermediate), fc2(intermediate, outputs) {}
  Shape<2> out_shape(Index rows) const { return fc2.out_shape(rows); }

  void forward(On<E> s, In<E> x, Out<E> y, Saved& saved) const {
    const Shape<2> inner = fc1.out_shape(x.rows());
    saved.inner = s.template keep<T>(inner[0], inner[1]);
    // In place of those rows, where no backward reads them.
    const bool kept = E::passes && s.keeping();
    const Out<E> active = kept ? s.template keep<T>(inner[0], inner[1]) : saved.inner;
    fc1.forward(s, x, saved.inner, saved.fc1);
    s.run(GeluForward<D, T>{.x = saved.inner, .y = active, .kind = Kind});
    fc2.forward(s, active, y, saved.fc2);
  }
  template <class Dx>
  void backward(On<E> s, const Saved& saved, In<E> dy, Dx dx) const {
    const auto given_back = s.scope();
    const Out<E> dinner = s.template scratch<T>(saved.inner.rows(), saved.inner.extent[1]);
    fc2.backward(s, saved.fc2, dy, dinner);
    s.run(GeluBackward<D, T>{.dy = dinner, .x = saved.inner, .dx = dinner, .kind = Kind});
    fc1.backward(s, saved.fc1, dinner, dx);
  }
  template <class F>
  void visit(F&& f) {
    fc1.visit(f);
    fc2.visit(f);
  }
};

template <class E_>
struct SwiGlu {
  using Environment = E_;
  using E = E_;
  using D = typename E::Device;
  using T = typename E::T;
  static constexpr bool trained = E::trained;
  struct Saved {
    typename Linear<E>::Saved gate_proj, up_proj, down_proj;
    Out<E> gate, up;  // [rows, intermediate]
  };

  Named<"gate_proj", Linear<E>> gate_proj;
  Named<"up_proj", Linear<E>> up_proj;
  Named<"down_proj", Linear<E>> down_proj;

  SwiGlu(Index features, Index intermediate)
      : gate_proj(features, intermediate),
        up_proj(features, intermediate),
        down_proj(intermediate, features) {}
  Shape<2> out_shape(Index rows) const { return down_proj.out_shape(rows); }

  void forward(On<E> s, In<E> x, Out<E> y, Saved& saved) const {
    const Shape<2> inner = gate_proj.out_shape(x.rows());
    saved.gate = s.template keep<T>(inner[0], inner[1]);
    saved.up = s.template keep<T>(inner[0], inner[1]);
    // In place of the gate, where no backward reads that.
    const bool kept = E::passes && s.keeping();
    const Out<E> active = kept ? s.template keep<T>(inner[0], inner[1]) : saved.gate;
    forward_together<E>(s, x, gate_proj.product(x, saved.gate, saved.gate_proj),
                        up_proj.product(x, saved.up, saved.up_proj));
    s.run(SwiGluForward<D, T>{.gate = saved.gate, .up = saved.up, .y = active});
    down_proj.forward(s, active, y, saved.down_proj);
  }
  template <class Dx>
  void backward(On<E> s, const Saved& saved, In<E> dy, Dx dx) const {
    const auto given_back = s.scope();
    const Index rows = saved.gate.rows(), width = saved.gate.extent[1];
    const Out<E> dactive = s.template scratch<T>(rows, width);
    const Out<E> dgate = s.template scratch<T>(rows, width), dup = s.template scratch<T>(rows, width);
    down_proj.backward(s, saved.down_proj, dy, dactive);
    s.run(
        SwiGluBackward<D, T>{.dy = dactive, .gate = saved.gate, .up = saved.up, .dgate = dgate, .dup = dup});
    gate_proj.backward(s, saved.gate_proj, dgate, dx);
    up_proj.backward(s, saved.up_proj, dup, dx, true);
  }
  template <class F>
  void visit(F&& f) {
    gate_proj.visit(f);
    up_proj.visit(f);
    down_proj.visit(f);
  }
};

}  // namespace vlm
