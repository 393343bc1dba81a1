// Activations on the CPU; bound by memory or by the exponential.
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

// erf(x), absolute error 1.5e-7.  Source: Abramowitz and Stegun, "Handbook of Mathematical
// Functions", 7.1.26. `gauss` becomes e^(-x^2).
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

struct GeluForwardKernel {
  template <int W>
  VLM_INLINE static void block(Floats<W>& x, bool tanh_form) {
    if (tanh_form) {
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
  template <int W>
  VLM_INLINE static void run(const float* from, float* to, Index count, bool tanh_form) {
    Floats<W> x;
    Index i = 0;
    for (; i + W <= count; i += W) {
      load<W>(x, from + i);
      block<W>(x, tanh_form);
      store<W>(to + i, x);
    }
    if (i == count) return;
    load_some<W>(x, from + i, count - i);
    block<W>(x, tanh_form);
    store_some<W>(to + i, x, count - i);
  }
};

struct GeluBackwardKernel {
  template <int W>
  VLM_INLINE static void block(Floats<W>& dy, const Floats<W>& x, bool tanh_form) {
    if (tanh_form) {
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
  template <int W>
  VLM_INLINE static void run(const float* dy, const float* from, float* dx, Index count, bool tanh_form) {
    Floats<W> d, x;
    Index i = 0;
    for (; i + W <= count; i += W) {
      load<W>(d, dy + i);
      load<W>(x, from + i);
      block<W>(d, x, tanh_form);
      store<W>(dx + i, d);
    }
    if (i == count) return;
    load_some<W>(d, dy + i, count - i);
    load_some<W>(x, from + i, count - i);
    block<W>(d, x, tanh_form);
    store_some<W>(dx + i, d, count - i);
  }
};

struct SwiGluForwardKernel {
  template <int W>
  VLM_INLINE static void block(Floats<W>& gate, const Floats<W>& up) {
    Floats<W> s = gate;
    logistic<W>(s);
    gate = gate * s * up;
  }
  template <int W>
  VLM_INLINE static void run(const float* gate, const float* up, float* y, Index count) {
    Floats<W> g, u;
    Index i = 0;
    for (; i + W <= count; i += W) {
      load<W>(g, gate + i);
      load<W>(u, up + i);
      block<W>(g, u);
      store<W>(y + i, g);
    }
    if (i == count) return;
    load_some<W>(g, gate + i, count - i);
    load_some<W>(u, up + i, count - i);
    block<W>(g, u);
    store_some<W>(y + i, g, count - i);
  }
};

struct SwiGluBackwardKernel {
  // On return `gate` and `up` hold their gradients.
  template <int W>
  VLM_INLINE static void block(const Floats<W>& dy, Floats<W>& gate, Floats<W>& up) {
    Floats<W> s = gate;
    logistic<W>(s);
    const Floats<W> silu = gate * s;
    gate = dy * up * (s + silu * (1.0f - s));
    up = dy * silu;
  }
  template <int W>
  VLM_INLINE static void run(const float* dy, const float* gate, const float* up, float* dgate, float* dup,
                             Index count) {
    Floats<W> d, g, u;
    Index i = 0;
    for (; i + W <= count; i += W) {
      load<W>(d, dy + i);
      load<W>(g, gate + i);
      load<W>(u, up + i);
      block<W>(d, g, u);
      store<W>(dgate + i, g);
      store<W>(dup + i, u);
    }
    if (i == count) return;
    load_some<W>(d, dy + i, count - i);
    load_some<W>(g, gate + i, count - i);
    load_some<W>(u, up + i, count - i);
    block<W>(d, g, u);
    store_some<W>(dgate + i, g, count - i);
    store_some<W>(dup + i, u, count - i);
  }
};

}  // namespace vlm::cpu

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const GeluForward<Cpu, T>& op, Scratch) {
  const Index features = op.y.extent[1];
  cpu::parallel_rows(queue, op.y.rows(), features, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i)
      cpu::dispatch<cpu::GeluForwardKernel>(queue.level(), op.x.row(i), op.y.row(i), features,
                                            op.kind == Gelu::Tanh);
  });
}

template <class T>
void compute(Queue<Cpu>& queue, const GeluBackward<Cpu, T>& op, Scratch) {
  const Index features = op.dx.extent[1];
  cpu::parallel_rows(queue, op.dx.rows(), features, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i)
      cpu::dispatch<cpu::GeluBackwardKernel>(queue.level(), op.dy.row(i), op.x.row(i), op.dx.row(i), features,
                                             op.kind == Gelu::Tanh);
  });
}

template <class T>
void compute(Queue<Cpu>& queue, const SwiGluForward<Cpu, T>& op, Scratch) {
  const Index features = op.y.extent[1];
  cpu::parallel_rows(queue, op.y.rows(), features, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i)
      cpu::dispatch<cpu::SwiGluForwardKernel>(queue.level(), op.gate.row(i), op.up.row(i), op.y.row(i),
                                              features);
  });
}

template <class T>
void compute(Queue<Cpu>& queue, const SwiGluBackward<Cpu, T>& op, Scratch) {
  const Index features = op.dy.extent[1];
  cpu::parallel_rows(queue, op.dy.rows(), features, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i)
      cpu::dispatch<cpu::SwiGluBackwardKernel>(queue.level(), op.dy.row(i), op.gate.row(i), op.up.row(i),
                                               op.dgate.row(i), op.dup.row(i), features);
  });
}

}  // namespace vlm
