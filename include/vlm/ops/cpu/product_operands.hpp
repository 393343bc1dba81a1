// What the engine of products is given:  C[m, n] (+)= A[m, k] B[k, n] (+ bias, activation).
#pragma once

#include <vlm/core/dtype.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/ops/activation.hpp>

namespace vlm::cpu {

// A in f32, B in f32 or bf16, both with two strides of which one is 1.
struct ProductOperands {
  const float* a = nullptr;
  Index a_row = 0, a_k = 0;
  const void* b = nullptr;
  DType b_format = DType::F32;
  Index b_k = 0, b_column = 0;
  const float* bias = nullptr;
  Activation activation = Activation::None;
  float* c = nullptr;
  Index c_pitch = 0;
  Index rows = 0, columns = 0, inner = 0;
  bool add = false;
};

// Products of the same rows with several weights.
struct ProductGroup {
  static constexpr int most = 3;

  ProductOperands products[most];
  int count = 0;

  const ProductOperands& front() const { return products[0]; }
  // Of some of the rows.
  ProductGroup rows(Index first, Index size) const {
    ProductGroup part = *this;
    for (int i = 0; i < count; ++i) {
      part.products[i].a += first * products[i].a_row;
      part.products[i].c += first * products[i].c_pitch;
      part.products[i].rows = size;
    }
    return part;
  }
};

// A rectangle of C, computed by one worker.
struct ProductPart {
  Index row = 0, rows = 0, column = 0, columns = 0;
};

// One operand seen as items (rows of A, columns of B) along k.
template <class Stored>
struct ProductSide {
  const Stored* data;
  Index item, k;  // strides
  const Stored* at(Index first_item, Index first_k) const { return data + first_item * item + first_k * k; }
};

inline Index rounded_up(Index value, Index unit) { return (value + unit - 1) / unit * unit; }

}  // namespace vlm::cpu
