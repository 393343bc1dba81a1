// y = x * rstd * weight with rstd = 1 / sqrt(mean(x^2) + eps), for each group of weight.rows features.
#pragma once

#include <cmath>

#include "table.hpp"

namespace reference {

// [rows, groups]
inline Table rms_norm_rstd(const Table& x, Index group, double eps) {
  Table rstd(x.rows, x.columns / group);
  for (Index i = 0; i < x.rows; ++i)
    for (Index g = 0; g < rstd.columns; ++g) {
      double squares = 0;
      for (Index j = 0; j < group; ++j) squares += x(i, g * group + j) * x(i, g * group + j);
      rstd(i, g) = 1 / std::sqrt(squares / static_cast<double>(group) + eps);
    }
  return rstd;
}

inline Table rms_norm(const Table& x, const Table& weight, double eps) {
  const Table rstd = rms_norm_rstd(x, weight.rows, eps);
  Table y(x.rows, x.columns);
  for (Index i = 0; i < x.rows; ++i)
    for (Index j = 0; j < x.columns; ++j)
      y(i, j) = x(i, j) * rstd(i, j / weight.rows) * weight[j % weight.rows];
  return y;
}

struct RmsNormGradients {
  Table dx, dweight;
};

// With n = x rstd and dn = dy weight:  dx = rstd (dn - n mean(dn n)),  dweight = sum of dy n.
inline RmsNormGradients rms_norm_backward(const Table& dy, const Table& x, const Table& weight, double eps) {
  const Index group = weight.rows;
  const Table rstd = rms_norm_rstd(x, group, eps);
  RmsNormGradients result{Table(x.rows, x.columns), Table(group)};
  for (Index i = 0; i < x.rows; ++i)
    for (Index g = 0; g < rstd.columns; ++g) {
      double mean = 0;
      for (Index j = 0; j < group; ++j) {
        const Index f = g * group + j;
        const double n = x(i, f) * rstd(i, g);
        mean += dy(i, f) * weight[j] * n / static_cast<double>(group);
        result.dweight[j] += dy(i, f) * n;
      }
      for (Index j = 0; j < group; ++j) {
        const Index f = g * group + j;
        result.dx(i, f) = rstd(i, g) * (dy(i, f) * weight[j] - x(i, f) * rstd(i, g) * mean);
      }
    }
  return result;
}

}  // namespace reference
