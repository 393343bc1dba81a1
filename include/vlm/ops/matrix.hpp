// Matrix<Device>: a weight matrix in whatever format it is stored; products convert while they read.
#pragma once

#include <vlm/core/dtype.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

// The W of y = x W'. It has one row per output feature; with `input_major` one row per input feature.
template <class Device>
struct Matrix {
  const void* data = nullptr;
  DType format = DType::F32;  // F32, BF16, or blocks, which have no pitch (weight_blocks.hpp)
  Index outputs = 0, inputs = 0;
  Index pitch = 0;  // elements between stored rows
  bool input_major = false;

  Matrix() = default;
  Matrix(View<const float, 2, Device> view)
      : data(view.data), outputs(view.extent[0]), inputs(view.extent[1]), pitch(view.pitch) {}
  Matrix(const void* pointer, DType type, Index rows, Index columns)
      : data(pointer), format(type), outputs(rows), inputs(columns), pitch(columns) {}
};

}  // namespace vlm
