// The loop behind multiply_add_rate, also the ceiling of the benchmarks.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

#include <vlm/ops/cpu/lanes.hpp>
#include <vlm/ops/multiply_add_rate.hpp>

namespace vlm {

namespace cpu {

// Independent chains of fused multiply-adds, as many as hide their latency and fit into 16 registers. The sums begin
// with the chains * W values at `out`, of which the first W are overwritten with the end of all chains, added up.
struct MultiplyAddKernel {
  static constexpr int steps = 40000, chains = 12;
  static constexpr float factor = 0.999f, addend = 0.001f;
  // Values that a call may read at `out`, at any level.
  static constexpr Index values = chains * 16;

  template <int W>
  VLM_INLINE static void run(float* out) {
    Floats<W> sum[chains], left, right;
    // From memory: a compiler that knew the values would leave out chains that are alike or stay where they start.
    VLM_UNROLL for (int i = 0; i < chains; ++i) load<W>(sum[i], out + i * W);
    fill<W>(left, factor);
    fill<W>(right, addend);
    for (int step = 0; step < steps; ++step) {
      VLM_UNROLL for (int i = 0; i < chains; ++i) sum[i] = sum[i] * left + right;
      asm volatile("" ::: "memory");
    }
    VLM_UNROLL for (int i = 1; i < chains; ++i) sum[0] += sum[i];
    store<W>(out, sum[0]);
  }
  // FLOP of one call.
  static constexpr double flop(IsaLevel level) {
    const double lanes = level == IsaLevel::Avx512 ? 16 : level == IsaLevel::Avx2 ? 8 : 4;
    return 2 * lanes * chains * steps;
  }
};

}  // namespace cpu

template <class>
double detail::multiply_add_rate(Queue<Cpu>& queue) {
  using cpu::MultiplyAddKernel;
  using Clock = std::chrono::steady_clock;
  // Long enough that threads and clocks wake, and that all threads run at once where others use the processors too.
  constexpr double enough = 0.02;
  constexpr Index apart = (MultiplyAddKernel::values + 63) / 64 * 64;
  std::vector<float> values(static_cast<std::size_t>(apart * queue.threads()), 0.5f);
  double least = enough;
  for (double total = 0; total < enough;) {
    const Clock::time_point start = Clock::now();
    queue.parallel(queue.threads(), [&](Index task, int) {
      cpu::dispatch<MultiplyAddKernel>(queue.level(), values.data() + task * apart);
    });
    const double seconds = std::max(std::chrono::duration<double>(Clock::now() - start).count(), 1e-9);
    least = total > 0 ? std::min(least, seconds) : seconds;
    total += seconds;
  }
  return MultiplyAddKernel::flop(queue.level()) * queue.threads() / least;
}

}  // namespace vlm
