// Rotary positions on the CPU; bound by memory.
#pragma once

#include <vlm/ops/cpu/rows_parallel.hpp>
#include <vlm/ops/rope.hpp>

namespace vlm::cpu {

struct RopeKernel {
  template <int W>
  VLM_INLINE static void run(const RopeRotate<Cpu, float>* op, Index first, Index rows) {
    const Index half = op->cosine.extent[1], features = op->x.extent[1];
    const float sign = op->inverse ? -1.0f : 1.0f;
    for (Index i = first; i < first + rows; ++i) {
      const float *cosine = op->cosine.row(i), *sine = op->sine.row(i);
      for (float *x = op->x.row(i), *end = x + features; x < end; x += 2 * half) {
        Index j = 0;
        for (; j + W <= half; j += W) rotate<W>(x + j, half, cosine + j, sine + j, sign);
        for (; j + 4 <= half; j += 4) rotate<4>(x + j, half, cosine + j, sine + j, sign);
        for (; j < half; ++j) {
          const float a = x[j], b = x[half + j], turn = sign * sine[j];
          x[j] = a * cosine[j] - b * turn;
          x[half + j] = b * cosine[j] + a * turn;
        }
      }
    }
  }

  template <int W>
  VLM_INLINE static void rotate(float* x, Index half, const float* cosine, const float* sine, float sign) {
    Floats<W> a, b, c, s;
    load<W>(a, x);
    load<W>(b, x + half);
    load<W>(c, cosine);
    load<W>(s, sine);
    s *= sign;
    const Floats<W> turned = a * c - b * s;
    b = b * c + a * s;
    store<W>(x, turned);
    store<W>(x + half, b);
  }
};

}  // namespace vlm::cpu

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const RopeRotate<Cpu, T>& op, Scratch) {
  if (op.cosine.extent[1] == 0) return;
  cpu::parallel_rows(queue, op.x.rows(), op.x.extent[1], [&](Index first, Index rows) {
    cpu::dispatch<cpu::RopeKernel>(queue.level(), &op, first, rows);
  });
}

}  // namespace vlm
