// The sum of squares, and the position of each row's largest value (the lowest of equals).
#pragma once

#include "table.hpp"

namespace reference {

inline double squared_norm(const Table& x) { return dot(x, x); }

inline Table arg_max(const Table& x) {
  Table index(x.rows);
  for (Index i = 0; i < x.rows; ++i)
    for (Index j = 1; j < x.columns; ++j)
      if (x(i, j) > x(i, index.at(i))) index[i] = static_cast<double>(j);
  return index;
}

}  // namespace reference
