// The sum over four corners of weight times a row of the table; backward: rows of dy added to the corners.
#pragma once

#include "table.hpp"

namespace reference {

inline Table interpolate(const Table& table, const Table& corners, const Table& weights) {
  Table y(corners.rows, table.columns);
  for (Index i = 0; i < corners.rows; ++i)
    for (Index c = 0; c < 4; ++c)
      for (Index j = 0; j < table.columns; ++j) y(i, j) += weights(i, c) * table(corners.at(i, c), j);
  return y;
}

inline Table interpolate_backward(const Table& dy, const Table& corners, const Table& weights,
                                  Index positions) {
  Table dtable(positions, dy.columns);
  for (Index i = 0; i < corners.rows; ++i)
    for (Index c = 0; c < 4; ++c)
      for (Index j = 0; j < dy.columns; ++j) dtable(corners.at(i, c), j) += weights(i, c) * dy(i, j);
  return dtable;
}

}  // namespace reference
