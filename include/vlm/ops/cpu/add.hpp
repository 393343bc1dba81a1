// Sums and copies of rows on the CPU; bound by memory.
#pragma once

#include <cstring>

#include <vlm/ops/add.hpp>
#include <vlm/ops/cpu/rows_parallel.hpp>

namespace vlm::cpu {

struct AddKernel {
  template <int W>
  VLM_INLINE static void run(float* into, const float* a, const float* b, Index count) {
    Index i = 0;
    Floats<W> left, right;
    for (; i + W <= count; i += W) {
      load<W>(left, a + i);
      load<W>(right, b + i);
      left += right;
      store<W>(into + i, left);
    }
    for (; i < count; ++i) into[i] = a[i] + b[i];
  }
};

}  // namespace vlm::cpu

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const Add<Cpu, T>& op, Scratch) {
  const Index features = op.into.extent[1];
  cpu::parallel_rows(queue, op.into.rows(), features, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i)
      cpu::dispatch<cpu::AddKernel>(queue.level(), op.into.row(i), op.a.row(i), op.b.row(i), features);
  });
}

template <class T>
void compute(Queue<Cpu>& queue, const Copy<Cpu, T>& op, Scratch) {
  const Index features = op.into.extent[1];
  cpu::parallel_rows(queue, op.into.rows(), features, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i)
      std::memmove(op.into.row(i), op.from.row(i), static_cast<std::size_t>(features) * sizeof(T));
  });
}

}  // namespace vlm
