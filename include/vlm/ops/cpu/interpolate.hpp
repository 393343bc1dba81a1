// Bilinear table lookup on the CPU. The backward is spread over features, as for the token table.
#pragma once

#include <vlm/ops/cpu/rows_parallel.hpp>
#include <vlm/ops/interpolate.hpp>

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const InterpolateForward<Cpu, T>& op, Scratch) {
  const Index features = op.y.extent[1];
  cpu::parallel_rows(queue, op.y.rows(), features, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i) {
      const float* corner[4];
      for (Index c = 0; c < 4; ++c) corner[c] = op.table.row(op.corners(i, c));
      const float* w = op.weights.row(i);
      T* y = op.y.row(i);
      for (Index j = 0; j < features; ++j) {
        float sum = w[0] * corner[0][j];
        sum += w[1] * corner[1][j];
        sum += w[2] * corner[2][j];
        sum += w[3] * corner[3][j];
        y[j] += sum;
      }
    }
  });
}

template <class T>
void compute(Queue<Cpu>& queue, const InterpolateBackward<Cpu, T>& op, Scratch) {
  constexpr Index width = 64;
  const Index features = op.dy.extent[1];
  queue.parallel((features + width - 1) / width, [&](Index task, int) {
    const Index begin = task * width, end = std::min(features, begin + width);
    for (Index i = 0; i < op.dy.rows(); ++i)
      for (Index c = 0; c < 4; ++c) {
        float* into = op.dtable.row(op.corners(i, c));
        const T* dy = op.dy.row(i);
        const float weight = op.weights(i, c);
        for (Index j = begin; j < end; ++j) into[j] += weight * dy[j];
      }
  });
}

}  // namespace vlm
