// Activations on the CPU; bound by memory.
#pragma once

#include <vlm/ops/activation.hpp>
#include <vlm/ops/cpu/rows_parallel.hpp>

namespace vlm::cpu {

// 1 / (1 + e^-x)
template <int W>
VLM_INLINE void logistic(Floats<W>& x) {
  x = -x;
  exponential<W>(x);
  x = 1.0f / (1.0f + x);
}

// erf(x), absolute error 1.5e-7.  Source: Abramowitz and Stegun, "Handbook of Mathematical Functions",
// 7.1.26. `gauss` becomes e^(-x^2).
template <int W>
VLM_INLINE void error_function(Floats<W>& x, Floats<W>& gauss) {
  const Floats<W> size = x < 0.0f ? -x : x;
  gauss = -(x * x);
  exponential<W>(gauss);
  const Floats<W> t = 1.0f / (1.0f + 0.3275911f * size);
  Floats<W> p = t * 1.061405429f - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const Floats<W> value = 1.0f - p * t * gauss;
  x = x < 0.0f ? -value : value;
}

inline constexpr float root_two_over_pi = 0.7978845608028654f;
inline constexpr float one_over_root_two = 0.70710678118654752f;
inline constexpr float one_over_root_two_pi = 0.3989422804014327f;

// x -> y
template <Gelu kind>
struct GeluForwardBlock {
  static constexpr int inputs = 1, outputs = 1;
  using Settings = NoSettings;
  template <int W>
  VLM_INLINE static void apply(Floats<W>* lanes, NoSettings) {
    Floats<W>& x = lanes[0];
    if constexpr (kind == Gelu::Tanh) {
      // (1 + tanh u) / 2 is the logistic function of 2u.
      Floats<W> u = 2.0f * root_two_over_pi * (x + 0.044715f * x * x * x);
      logistic<W>(u);
      x *= u;
    } else {
      Floats<W> e = x * one_over_root_two, gauss;
      error_function<W>(e, gauss);
      x *= 0.5f + 0.5f * e;
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
      Floats<W> s = 2.0f * root_two_over_pi * (x + 0.044715f * x * square);
      logistic<W>(s);
      dy *= s + x * s * (1.0f - s) * (2.0f * root_two_over_pi * (1.0f + 3.0f * 0.044715f * square));
    } else {
      Floats<W> e = x * one_over_root_two, gauss;
      error_function<W>(e, gauss);
      dy *= 0.5f + 0.5f * e + x * gauss * one_over_root_two_pi;
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
