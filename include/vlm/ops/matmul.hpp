// Matrix products of rows with a weight:  y = activation(x W' + bias),  dx = dy W,  dW += dy' x,  dbias += sum
// of dy. Each output element is one chain of additions over the inner dimension, so a row's bits do
// not depend on others.
#pragma once

#include <vlm/core/queue.hpp>
#include <vlm/ops/activation.hpp>
#include <vlm/ops/matrix.hpp>

namespace vlm {

template <class D, class T>
struct LinearForward {
  View<const T, 2, D> x{};         // [rows, inputs]
  Matrix<D> weight{};              // [outputs, inputs]
  View<const float, 1, D> bias{};  // [outputs], or empty
  View<T, 2, D> y{};               // [rows, outputs]
  Activation activation = Activation::None;
};

// The same with several weights; weights in blocks of one kind are given the rows as they read them once.
template <class D, class T>
struct LinearForwards {
  struct Product {
    Matrix<D> weight{};
    View<const float, 1, D> bias{};
    View<T, 2, D> y{};
  };
  static constexpr int most = 3;

  View<const T, 2, D> x{};
  Product products[most]{};
  int count = 0;

  LinearForward<D, T> alone(int i) const {
    return {.x = x, .weight = products[i].weight, .bias = products[i].bias, .y = products[i].y};
  }
};

template <class D, class T>
struct LinearBackwardInput {
  View<const T, 2, D> dy{};  // [rows, outputs]
  Matrix<D> weight{};        // [outputs, inputs]
  View<T, 2, D> dx{};        // [rows, inputs]
  bool add = false;          // dx += instead of dx =
};

template <class D, class T>
struct LinearBackwardWeight {
  View<const T, 2, D> dy{};     // [rows, outputs]
  View<const T, 2, D> x{};      // [rows, inputs]
  View<float, 2, D> dweight{};  // [outputs, inputs], adds; may be empty
  View<float, 1, D> dbias{};    // [outputs], adds; may be empty
};

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const LinearForward<Cpu, T>&);
template <class T>
void compute(Queue<Cpu>&, const LinearForward<Cpu, T>&, Scratch);
template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const LinearForwards<Cpu, T>&);
template <class T>
void compute(Queue<Cpu>&, const LinearForwards<Cpu, T>&, Scratch);
template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const LinearBackwardInput<Cpu, T>&);
template <class T>
void compute(Queue<Cpu>&, const LinearBackwardInput<Cpu, T>&, Scratch);
template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const LinearBackwardWeight<Cpu, T>&);
template <class T>
void compute(Queue<Cpu>&, const LinearBackwardWeight<Cpu, T>&, Scratch);

}  // namespace vlm
