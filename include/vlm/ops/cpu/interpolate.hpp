// Bilinear table lookup on the CPU. The backward is spread over features, as for the token table.
#pragma once

#include <vlm/ops/cpu/rows_parallel.hpp>
#include <vlm/ops/interpolate.hpp>

namespace vlm::cpu {

// y += the four rows at `corners` of a table, weighted.
struct InterpolateRowKernel {
  template <int W>
  VLM_INLINE static void run(const float* table, Index pitch, const std::int32_t* corners,
                             const float* weights, float* y, Index count) {
    const float* corner[4];
    VLM_UNROLL for (int c = 0; c < 4; ++c) corner[c] = table + corners[c] * pitch;
    Floats<W> sum, value, before;
    Index j = 0;
    for (; j + W <= count; j += W) {
      load<W>(value, corner[0] + j);
      sum = value * weights[0];
      VLM_UNROLL for (int c = 1; c < 4; ++c) {
        load<W>(value, corner[c] + j);
        sum += value * weights[c];
      }
      load<W>(before, y + j);
      before += sum;
      store<W>(y + j, before);
    }
    for (; j < count; ++j) {
      float rest = corner[0][j] * weights[0];
      VLM_UNROLL for (int c = 1; c < 4; ++c) rest += corner[c][j] * weights[c];
      y[j] += rest;
    }
  }
};

}  // namespace vlm::cpu

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const InterpolateForward<Cpu, T>& op, Scratch) {
  const Index features = op.y.extent[1];
  cpu::parallel_rows(queue, op.y.rows(), features, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i)
      cpu::dispatch<cpu::InterpolateRowKernel>(queue.level(), op.table.data, op.table.pitch,
                                               op.corners.row(i), op.weights.row(i), op.y.row(i), features);
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
