// y = (x - mean) / sqrt(var + eps) * weight + bias over the features of a row, variance biased.
#pragma once

#include <cmath>

#include "table.hpp"

namespace reference {

// [rows, 2]: mean, one over the deviation.
inline Table layer_norm_statistics(const Table& x, double eps) {
  const double features = static_cast<double>(x.columns);
  Table statistics(x.rows, 2);
  for (Index i = 0; i < x.rows; ++i) {
    double mean = 0, variance = 0;
    for (Index j = 0; j < x.columns; ++j) mean += x(i, j) / features;
    for (Index j = 0; j < x.columns; ++j) variance += (x(i, j) - mean) * (x(i, j) - mean) / features;
    statistics(i, 0) = mean;
    statistics(i, 1) = 1 / std::sqrt(variance + eps);
  }
  return statistics;
}

inline Table layer_norm(const Table& x, const Table& weight, const Table& bias, double eps) {
  const Table statistics = layer_norm_statistics(x, eps);
  Table y(x.rows, x.columns);
  for (Index i = 0; i < x.rows; ++i)
    for (Index j = 0; j < x.columns; ++j)
      y(i, j) = (x(i, j) - statistics(i, 0)) * statistics(i, 1) * weight[j] + bias[j];
  return y;
}

struct LayerNormGradients {
  Table dx, dweight, dbias;
};

// With n the normalised row, dn = dy weight:  dx = (dn - mean(dn) - n mean(dn n)) / deviation.
inline LayerNormGradients layer_norm_backward(const Table& dy, const Table& x, const Table& weight,
                                              double eps) {
  const double features = static_cast<double>(x.columns);
  const Table statistics = layer_norm_statistics(x, eps);
  LayerNormGradients result{Table(x.rows, x.columns), Table(x.columns), Table(x.columns)};
  for (Index i = 0; i < x.rows; ++i) {
    const auto normal = [&](Index j) { return (x(i, j) - statistics(i, 0)) * statistics(i, 1); };
    double mean = 0, mean_product = 0;
    for (Index j = 0; j < x.columns; ++j) {
      mean += dy(i, j) * weight[j] / features;
      mean_product += dy(i, j) * weight[j] * normal(j) / features;
      result.dweight[j] += dy(i, j) * normal(j);
      result.dbias[j] += dy(i, j);
    }
    for (Index j = 0; j < x.columns; ++j)
      result.dx(i, j) = statistics(i, 1) * (dy(i, j) * weight[j] - mean - normal(j) * mean_product);
  }
  return result;
}

}  // namespace reference
