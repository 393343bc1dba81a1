// Rows in ranges: how operations that treat rows alone are spread over the workers.
#pragma once

#include <algorithm>

#include <vlm/ops/cpu/lanes.hpp>

namespace vlm::cpu {

// Calls work(first row, rows) for ranges of about `grain` elements; ranges depend on sizes alone.
template <class Work>
void parallel_rows(Queue<Cpu>& queue, Index rows, Index features, Work&& work, Index grain = 16 * 1024) {
  const Index per_task = std::max<Index>(1, grain / std::max<Index>(features, 1));
  queue.parallel((rows + per_task - 1) / per_task, [&](Index task, int) {
    const Index first = task * per_task;
    work(first, std::min(per_task, rows - first));
  });
}

// Sums over rows keep their bits for any number of threads: rows are cut into at most `most_parts` fixed
// parts, each part sums in order, and the parts are added in order.
inline constexpr Index most_parts = 16;
inline Index rows_per_part(Index rows) { return std::max<Index>(16, (rows + most_parts - 1) / most_parts); }
inline Index part_count(Index rows) {
  return rows == 0 ? 0 : (rows + rows_per_part(rows) - 1) / rows_per_part(rows);
}

}  // namespace vlm::cpu
