// Rotation of the pairs (j, j + head_dim / 2) of each head by the row's angle j; the inverse has -sin.
#pragma once

#include "table.hpp"

namespace reference {

// x [rows, heads * head_dim]; cosine, sine [rows, head_dim / 2].
inline Table rope(const Table& x, const Table& cosine, const Table& sine, bool inverse) {
  const Index half = cosine.columns;
  Table y(x.rows, x.columns);
  for (Index i = 0; i < x.rows; ++i)
    for (Index head = 0; head < x.columns; head += 2 * half)
      for (Index j = 0; j < half; ++j) {
        const double c = cosine(i, j), s = inverse ? -sine(i, j) : sine(i, j);
        const double x1 = x(i, head + j), x2 = x(i, head + half + j);
        y(i, head + j) = x1 * c - x2 * s;
        y(i, head + half + j) = x2 * c + x1 * s;
      }
  return y;
}

}  // namespace reference
