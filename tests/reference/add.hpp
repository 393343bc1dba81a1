// a + b.
#pragma once

#include "table.hpp"

namespace reference {

inline Table add(const Table& a, const Table& b) {
  Table sum(a.rows, a.columns);
  for (Index i = 0; i < a.count(); ++i) sum[i] = a[i] + b[i];
  return sum;
}

}  // namespace reference
