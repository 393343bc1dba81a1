// Rotation of the pairs (j, j + head_dim / 2) of each head by the row's angle j; the inverse has -sin. And the angles
// of each rotary kind, put together as Hugging Face transformers does it.
#pragma once

#include <array>
#include <cmath>

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

// position * theta^(-2i / head_dim) for i in [0, head_dim / 2).
inline Table plain_angles(const Table& positions, Index axis, double theta, Index head_dim) {
  Table angles(positions.columns, head_dim / 2);
  for (Index row = 0; row < angles.rows; ++row)
    for (Index i = 0; i < angles.columns; ++i)
      angles(row, i) = positions(axis, row) *
                       std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
  return angles;
}

// Chunks of the sections' sizes, the first of the axis time, the second of height, the third of width.
inline Table sectioned_angles(const Table& positions, const std::array<Index, 3>& section, double theta,
                              Index head_dim) {
  Table angles(positions.columns, head_dim / 2);
  Index first = 0;
  for (Index axis = 0; axis < 3; ++axis) {
    const Table all = plain_angles(positions, axis, theta, head_dim);
    const Index end = first + section[static_cast<std::size_t>(axis)];
    for (Index row = 0; row < angles.rows; ++row)
      for (Index i = first; i < end; ++i) angles(row, i) = all(row, i);
    first = end;
  }
  return angles;
}

// The angles of time, in which the slices 1 : 3 * section : 3 are those of height, 2 : 3 * section : 3 those of width.
inline Table interleaved_angles(const Table& positions, const std::array<Index, 3>& section, double theta,
                                Index head_dim) {
  Table angles = plain_angles(positions, 0, theta, head_dim);
  for (Index axis = 1; axis < 3; ++axis) {
    const Table all = plain_angles(positions, axis, theta, head_dim);
    for (Index row = 0; row < angles.rows; ++row)
      for (Index i = axis; i < angles.columns && i < 3 * section[static_cast<std::size_t>(axis)]; i += 3)
        angles(row, i) = all(row, i);
  }
  return angles;
}

// Rows, then columns, each as a head of half the size has them.
inline Table spatial_angles(const Table& positions, double theta, Index head_dim) {
  Table angles(positions.columns, head_dim / 2);
  for (Index axis = 1; axis < 3; ++axis) {
    const Table half = plain_angles(positions, axis, theta, head_dim / 2);
    for (Index row = 0; row < angles.rows; ++row)
      for (Index i = 0; i < half.columns; ++i) angles(row, (axis - 1) * half.columns + i) = half(row, i);
  }
  return angles;
}

}  // namespace reference
