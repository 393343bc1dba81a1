// y = x W' + bias,  dx = dy W,  dW = dy' x,  dbias = sum of dy over rows.
#pragma once

#include "table.hpp"

namespace reference {

// x [rows, inputs], weight [outputs, inputs], bias [outputs] or of no rows.
inline Table linear(const Table& x, const Table& weight, const Table& bias = {}) {
  Table y(x.rows, weight.rows);
  for (Index i = 0; i < x.rows; ++i)
    for (Index o = 0; o < weight.rows; ++o) {
      y(i, o) = bias.rows > 0 ? bias[o] : 0;
      for (Index j = 0; j < x.columns; ++j) y(i, o) += x(i, j) * weight(o, j);
    }
  return y;
}

inline Table linear_backward_input(const Table& dy, const Table& weight) {
  Table dx(dy.rows, weight.columns);
  for (Index i = 0; i < dy.rows; ++i)
    for (Index o = 0; o < weight.rows; ++o)
      for (Index j = 0; j < weight.columns; ++j) dx(i, j) += dy(i, o) * weight(o, j);
  return dx;
}

inline Table linear_backward_weight(const Table& dy, const Table& x) {
  Table dweight(dy.columns, x.columns);
  for (Index i = 0; i < dy.rows; ++i)
    for (Index o = 0; o < dy.columns; ++o)
      for (Index j = 0; j < x.columns; ++j) dweight(o, j) += dy(i, o) * x(i, j);
  return dweight;
}

inline Table linear_backward_bias(const Table& dy) {
  Table dbias(dy.columns);
  for (Index i = 0; i < dy.rows; ++i)
    for (Index o = 0; o < dy.columns; ++o) dbias[o] += dy(i, o);
  return dbias;
}

}  // namespace reference
