// Sums and copies of rows on the CPU; bound by memory.
#pragma once

#include <cstring>

#include <vlm/ops/add.hpp>
#include <vlm/ops/cpu/rows_parallel.hpp>

namespace vlm::cpu {

struct AddBlock {
  static constexpr int inputs = 2, outputs = 1;
  using Settings = NoSettings;
  template <int W>
  VLM_INLINE static void apply(Floats<W>* lanes, NoSettings) {
    lanes[0] += lanes[1];
  }
};

}  // namespace vlm::cpu

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const Add<Cpu, T>& op, Scratch) {
  cpu::elementwise<cpu::AddBlock>(queue, {op.a, op.b}, {op.into});
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
