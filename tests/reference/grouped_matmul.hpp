// Products of row groups: rows [offsets[e], offsets[e+1]) go through weight e. The weights stand below each
// other, [groups * outputs, inputs].
#pragma once

#include "table.hpp"

namespace reference {

inline Table grouped(const Table& x, const Table& weights, const Table& offsets) {
  const Index groups = offsets.rows - 1, outputs = weights.rows / groups;
  Table y(x.rows, outputs);
  for (Index e = 0; e < groups; ++e)
    for (Index i = offsets.at(e); i < offsets.at(e + 1); ++i)
      for (Index o = 0; o < outputs; ++o)
        for (Index j = 0; j < x.columns; ++j) y(i, o) += x(i, j) * weights(e * outputs + o, j);
  return y;
}

inline Table grouped_backward_input(const Table& dy, const Table& weights, const Table& offsets) {
  Table dx(dy.rows, weights.columns);
  for (Index e = 0; e + 1 < offsets.rows; ++e)
    for (Index i = offsets.at(e); i < offsets.at(e + 1); ++i)
      for (Index o = 0; o < dy.columns; ++o)
        for (Index j = 0; j < weights.columns; ++j) dx(i, j) += dy(i, o) * weights(e * dy.columns + o, j);
  return dx;
}

inline Table grouped_backward_weight(const Table& dy, const Table& x, const Table& offsets) {
  Table dweights((offsets.rows - 1) * dy.columns, x.columns);
  for (Index e = 0; e + 1 < offsets.rows; ++e)
    for (Index i = offsets.at(e); i < offsets.at(e + 1); ++i)
      for (Index o = 0; o < dy.columns; ++o)
        for (Index j = 0; j < x.columns; ++j) dweights(e * dy.columns + o, j) += dy(i, o) * x(i, j);
  return dweights;
}

}  // namespace reference
