// Activations on the CPU; bound by memory.
#pragma once

#include <vlm/ops/activation.hpp>
#include <vlm/ops/cpu/rows_parallel.hpp>

namespace vlm::cpu {

inline constexpr float root_two_over_pi = 0.7978845608028654f;
inline constexpr float one_over_root_two_pi = 0.3989422804014327f;

// 1 / (1 + e^-x)
template <int W>
VLM_INLINE void logistic(Floats<W>& x) {
  x *= -log2_of_e;
  power_of_two<W>(x);
  x = 1.0f / (1.0f + x);
}
// The logistic function of 2u, which is (1 + tanh u) / 2, with the u of GELU's tanh form; `square` is x^2.
template <int W>
VLM_INLINE void tanh_share(Floats<W>& share, const Floats<W>& x, const Floats<W>& square) {
  constexpr float factor = -2 * log2_of_e * root_two_over_pi;
  share = x * (square * (0.044715f * factor) + factor);
  power_of_two<W>(share);
  share = 1.0f / (1.0f + share);
}

// The upper tail of the normal distribution at |x|, relative error below 1e-5 as far as it is a normal number; `gauss`
// becomes e^(-x^2 / 2).
// Source of the form: Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.2.17; the polynomial is fitted
// for the least relative error, so that it holds far from 0 too.
template <int W>
VLM_INLINE void normal_tail(Floats<W>& tail, const Floats<W>& size, Floats<W>& gauss) {
  gauss = size * size * (-0.5f * log2_of_e);
  power_of_two<W>(gauss);
  const Floats<W> t = 1.0f / (0.36f * size + 1.0f);
  Floats<W> p = t * 4.734448343515396e-2f - 1.8075129389762878e-1f;
  p = p * t + 1.8229702115058899e-1f;
  p = p * t + 2.562425285577774e-2f;
  p = p * t + 1.400572508573532e-1f;
  p = p * t + 1.4171069860458374e-1f;
  p = p * t + 1.437174379825592e-1f;
  tail = p * t * gauss;
}

// x -> y
template <Gelu kind>
struct GeluForwardBlock {
  static constexpr int inputs = 1, outputs = 1;
  using Settings = NoSettings;
  template <int W>
  VLM_INLINE static void apply(Floats<W>* lanes, NoSettings) {
    Floats<W>& x = lanes[0];
    if constexpr (kind == Gelu::Tanh) {
      Floats<W> share;
      tanh_share<W>(share, x, x * x);
      x *= share;
    } else {  // max(x, 0) less what lies beyond |x|: no digits are lost where x is far below 0
      Floats<W> size = x < 0.0f ? -x : x, tail, gauss;
      at_most<W>(size, 20.0f);  // where the tail is 0, so that it is for infinity
      normal_tail<W>(tail, size, gauss);
      at_least<W>(x, 0.0f);
      x -= size * tail;
    }
  }
};

// One row, for products that apply it to their result.
struct GeluForwardKernel {
  template <int W>
  VLM_INLINE static void run(const float* from, float* to, Index count, bool tanh_form) {
    if (tanh_form)
      ElementwiseKernel<GeluForwardBlock<Gelu::Tanh>>::run_row<W>(&from, &to, count, {});
    else
      ElementwiseKernel<GeluForwardBlock<Gelu::Erf>>::run_row<W>(&from, &to, count, {});
  }
};

// dy, x -> dx
template <Gelu kind>
struct GeluBackwardBlock {
  static constexpr int inputs = 2, outputs = 1;
  using Settings = NoSettings;
  template <int W>
  VLM_INLINE static void apply(Floats<W>* lanes, NoSettings) {
    Floats<W>& dy = lanes[0];
    const Floats<W> x = lanes[1];
    if constexpr (kind == Gelu::Tanh) {
      const Floats<W> square = x * x;
      Floats<W> s;
      tanh_share<W>(s, x, square);
      dy *= s + x * s * (1.0f - s) * (2.0f * root_two_over_pi * (1.0f + 3.0f * 0.044715f * square));
    } else {
      Floats<W> tail, gauss;
      normal_tail<W>(tail, x < 0.0f ? -x : x, gauss);
      dy *= (x < 0.0f ? tail : 1.0f - tail) + x * gauss * one_over_root_two_pi;
    }
  }
};

// gate, up -> y
struct SwiGluForwardBlock {
  static constexpr int inputs = 2, outputs = 1;
  using Settings = NoSettings;
  template <int W>
  VLM_INLINE static void apply(Floats<W>* lanes, NoSettings) {
    Floats<W> s = lanes[0];
    logistic<W>(s);
    lanes[0] = lanes[0] * s * lanes[1];
  }
};

// dy, gate, up -> dgate, dup
struct SwiGluBackwardBlock {
  static constexpr int inputs = 3, outputs = 2;
  using Settings = NoSettings;
  template <int W>
  VLM_INLINE static void apply(Floats<W>* lanes, NoSettings) {
    const Floats<W> dy = lanes[0], gate = lanes[1], up = lanes[2];
    Floats<W> s = gate;
    logistic<W>(s);
    const Floats<W> silu = gate * s;
    lanes[0] = dy * up * (s + silu * (1.0f - s));
    lanes[1] = dy * silu;
  }
};

}  // namespace vlm::cpu

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const GeluForward<Cpu, T>& op, Scratch) {
  if (op.kind == Gelu::Tanh)
    cpu::elementwise<cpu::GeluForwardBlock<Gelu::Tanh>>(queue, {op.x}, {op.y});
  else
    cpu::elementwise<cpu::GeluForwardBlock<Gelu::Erf>>(queue, {op.x}, {op.y});
}

template <class T>
void compute(Queue<Cpu>& queue, const GeluBackward<Cpu, T>& op, Scratch) {
  if (op.kind == Gelu::Tanh)
    cpu::elementwise<cpu::GeluBackwardBlock<Gelu::Tanh>>(queue, {op.dy, op.x}, {op.dx});
  else
    cpu::elementwise<cpu::GeluBackwardBlock<Gelu::Erf>>(queue, {op.dy, op.x}, {op.dx});
}

template <class T>
void compute(Queue<Cpu>& queue, const SwiGluForward<Cpu, T>& op, Scratch) {
  cpu::elementwise<cpu::SwiGluForwardBlock>(queue, {op.gate, op.up}, {op.y});
}

template <class T>
void compute(Queue<Cpu>& queue, const SwiGluBackward<Cpu, T>& op, Scratch) {
  cpu::elementwise<cpu::SwiGluBackwardBlock>(queue, {op.dy, op.gate, op.up}, {op.dgate, op.dup});
}

}  // namespace vlm
