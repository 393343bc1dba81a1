// Rotary positions on the CPU; bound by memory.
#pragma once

#include <vlm/ops/cpu/rows_parallel.hpp>
#include <vlm/ops/rope.hpp>

namespace vlm::cpu {

struct RopeKernel {
  template <int W>
  VLM_INLINE static void run(float* x, const float* cosine, const float* sine, Index half, Index heads,
                             float sign) {
    for (Index head = 0; head < heads; ++head, x += 2 * half) {
      Index j = 0;
      Floats<W> first, second, c, s;
      for (; j + W <= half; j += W) {
        load<W>(first, x + j);
        load<W>(second, x + half + j);
        load<W>(c, cosine + j);
        load<W>(s, sine + j);
        s *= sign;
        const Floats<W> turned = first * c - second * s;
        second = second * c + first * s;
        store<W>(x + j, turned);
        store<W>(x + half + j, second);
      }
      for (; j < half; ++j) {
        const float a = x[j], b = x[half + j], turn = sign * sine[j];
        x[j] = a * cosine[j] - b * turn;
        x[half + j] = b * cosine[j] + a * turn;
      }
    }
  }
};

}  // namespace vlm::cpu

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const RopeRotate<Cpu, T>& op, Scratch) {
  const Index half = op.cosine.extent[1];
  if (half == 0) return;
  const Index heads = op.x.extent[1] / (2 * half);
  cpu::parallel_rows(queue, op.x.rows(), op.x.extent[1], [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i)
      cpu::dispatch<cpu::RopeKernel>(queue.level(), op.x.row(i), op.cosine.row(i), op.sine.row(i), half,
                                     heads, op.inverse ? -1.0f : 1.0f);
  });
}

}  // namespace vlm
