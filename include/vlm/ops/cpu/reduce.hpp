// Sums and searches on the CPU, in an order fixed by the size.
#pragma once

#include <vlm/ops/cpu/rows_parallel.hpp>
#include <vlm/ops/reduce.hpp>

namespace vlm::cpu {

inline constexpr Index norm_block = 16 * 1024;

struct SquaredNormKernel {
  template <int W>
  VLM_INLINE static void run(const float* x, Index count, double* result) {
    double sums[8] = {};
    Index i = 0;
    for (; i + 8 <= count; i += 8)
      VLM_UNROLL for (int j = 0; j < 8; ++j) sums[j] += static_cast<double>(x[i + j]) * x[i + j];
    for (; i < count; ++i) sums[0] += static_cast<double>(x[i]) * x[i];
    double total = 0;
    for (double sum : sums) total += sum;
    *result = total;
  }
};

}  // namespace vlm::cpu

namespace vlm {

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const SquaredNorm<Cpu, T>& op) {
  return static_cast<std::size_t>((op.x.rows() + cpu::norm_block - 1) / cpu::norm_block) * sizeof(double);
}
template <class T>
void compute(Queue<Cpu>& queue, const SquaredNorm<Cpu, T>& op, Scratch scratch) {
  const Index blocks = (op.x.rows() + cpu::norm_block - 1) / cpu::norm_block;
  double* sums = scratch.as<double>();
  queue.parallel(blocks, [&](Index block, int) {
    const Index first = block * cpu::norm_block;
    cpu::dispatch<cpu::SquaredNormKernel>(queue.level(), op.x.data + first,
                                          std::min(cpu::norm_block, op.x.rows() - first), sums + block);
  });
  for (Index block = 0; block < blocks; ++block) op.result(0) += sums[block];
}

template <class T>
void compute(Queue<Cpu>& queue, const ArgMax<Cpu, T>& op, Scratch) {
  queue.parallel(op.x.rows(), [&](Index i, int) {
    const T* row = op.x.row(i);
    Index best = 0;
    for (Index j = 1; j < op.x.extent[1]; ++j)
      if (row[j] > row[best]) best = j;
    op.index(i) = static_cast<std::int32_t>(best);
  });
}

}  // namespace vlm
