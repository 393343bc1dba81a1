// Parts that lie one after the other in memory, in runs: a worker goes through neighbours, so that what it reads is one
// stream, and helps the others when its own run is done.
#pragma once

#include <algorithm>
#include <atomic>

#include <vlm/core/queue.hpp>
#include <vlm/core/shape.hpp>

namespace vlm::cpu {

inline constexpr Index most_runs = 256;

// Calls work(part) for each part in [0, parts).
template <class Work>
void parallel_runs(Queue<Cpu>& queue, Index parts, Work&& work) {
  struct alignas(64) Run {
    std::atomic<Index> next;
    Index end;
  };
  Run all[most_runs];
  const Index runs = std::min({parts, static_cast<Index>(queue.threads()), most_runs});
  for (Index i = 0; i < runs; ++i) {
    all[i].next.store(parts * i / runs, std::memory_order_relaxed);
    all[i].end = parts * (i + 1) / runs;
  }
  queue.parallel(runs, [&](Index own, int) {
    for (Index i = 0; i < runs; ++i) {
      Run& run = all[(own + i) % runs];
      for (Index part; (part = run.next.fetch_add(1, std::memory_order_relaxed)) < run.end;) work(part);
    }
  });
}

}  // namespace vlm::cpu
