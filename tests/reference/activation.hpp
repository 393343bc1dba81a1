// GELU in its tanh and erf forms, SwiGLU, and their derivatives.
#pragma once

#include <cmath>
#include <numbers>

#include "table.hpp"

namespace reference {

inline double gelu_tanh(double x) {
  const double root = std::sqrt(2 / std::numbers::pi);
  return x / 2 * (1 + std::tanh(root * (x + 0.044715 * x * x * x)));
}
inline double gelu_tanh_derivative(double x) {
  const double root = std::sqrt(2 / std::numbers::pi);
  const double t = std::tanh(root * (x + 0.044715 * x * x * x));
  return (1 + t) / 2 + x / 2 * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x);
}

inline double gelu_erf(double x) { return x / 2 * (1 + std::erf(x / std::numbers::sqrt2)); }
inline double gelu_erf_derivative(double x) {
  const double density = std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
  return (1 + std::erf(x / std::numbers::sqrt2)) / 2 + x * density;
}

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
inline double silu(double x) { return x * sigmoid(x); }
inline double silu_derivative(double x) { return sigmoid(x) * (1 + x * (1 - sigmoid(x))); }

inline Table gelu(const Table& x, bool tanh_form) {
  Table y(x.rows, x.columns);
  for (Index i = 0; i < x.count(); ++i) y[i] = tanh_form ? gelu_tanh(x[i]) : gelu_erf(x[i]);
  return y;
}
inline Table gelu_backward(const Table& dy, const Table& x, bool tanh_form) {
  Table dx(x.rows, x.columns);
  for (Index i = 0; i < x.count(); ++i)
    dx[i] = dy[i] * (tanh_form ? gelu_tanh_derivative(x[i]) : gelu_erf_derivative(x[i]));
  return dx;
}

inline Table swiglu(const Table& gate, const Table& up) {
  Table y(gate.rows, gate.columns);
  for (Index i = 0; i < gate.count(); ++i) y[i] = silu(gate[i]) * up[i];
  return y;
}

struct SwiGluGradients {
  Table dgate, dup;
};

inline SwiGluGradients swiglu_backward(const Table& dy, const Table& gate, const Table& up) {
  SwiGluGradients result{Table(gate.rows, gate.columns), Table(gate.rows, gate.columns)};
  for (Index i = 0; i < gate.count(); ++i) {
    result.dgate[i] = dy[i] * up[i] * silu_derivative(gate[i]);
    result.dup[i] = dy[i] * silu(gate[i]);
  }
  return result;
}

}  // namespace reference
