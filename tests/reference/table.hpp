// Table: rows and columns of doubles, the only type of the reference. A vector is a table of one column;
// whole numbers are stored as doubles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace reference {

using Index = std::int64_t;

struct Table {
  Index rows = 0, columns = 0;
  std::vector<double> values;

  Table() = default;
  explicit Table(Index row_count, Index column_count = 1, double value = 0)
      : rows(row_count),
        columns(column_count),
        values(static_cast<std::size_t>(row_count * column_count), value) {}

  double& operator()(Index i, Index j) { return values[static_cast<std::size_t>(i * columns + j)]; }
  double operator()(Index i, Index j) const { return values[static_cast<std::size_t>(i * columns + j)]; }
  double& operator[](Index i) { return values[static_cast<std::size_t>(i)]; }
  double operator[](Index i) const { return values[static_cast<std::size_t>(i)]; }
  // A stored whole number.
  Index at(Index i, Index j = 0) const { return static_cast<Index>((*this)(i, j)); }
  Index count() const { return rows * columns; }
};

inline double dot(const Table& a, const Table& b) {
  double sum = 0;
  for (Index i = 0; i < a.count(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace reference
