// Products with a weight in blocks:  C = activation(A W' + bias). The rows of A become bytes first (block_rows.hpp); a
// task is then a band of panels with all those rows (block_tile.hpp).
#pragma once

#include <algorithm>

#include <vlm/ops/cpu/block_tile_vnni.hpp>
#include <vlm/ops/cpu/product.hpp>

namespace vlm::cpu {

inline constexpr Index block_rows_at_once = 128 * together_rows;  // of A
inline constexpr Index resident_bytes = 400 << 10;                // of A, in the second cache
inline constexpr Index band_bytes = Index{1} << 18;               // of a task, where reading decides
inline constexpr Index band_pairs = 8;  // of panels in a task, where computing decides

struct FinishKernel {
  template <int W>
  VLM_INLINE static void run(const ProductOperands* p, const ProductPart* part) {
    ProductPartKernel::finish<W>(*p, *part);
  }
};

inline void block_tile(IsaLevel level, const BlockTile& tile, Index rows, DType format) {
#if defined(__x86_64__)
  if (level == IsaLevel::Avx512 && has_vnni()) return VnniBlockTile::run(tile, rows, format);
#endif
  dispatch<BlockTileKernel>(level, &tile, rows, format);
}

// One part of C, whose first column begins a panel; A's rows from `a_row` on are row 0 and following of C, and the first
// of the part begins a group.
inline void block_part(IsaLevel level, const ProductOperands& p, const BlockRows& a, Index a_row,
                       const ProductPart& part) {
  const Index pitch = panel_bytes(p.b_format, p.inner);
  const Index blocks = std::max<Index>(1, a.blocks),
              most_groups =
                  std::max<Index>(1, resident_bytes / (blocks * BlockRows::block_bytes * together_rows)),
              step = most_groups * together_rows,
              groups = std::min(most_groups, (part.rows + together_rows - 1) / together_rows),
              width = BlockTile::most_panels(part.rows) * panel_outputs;
  for (Index row = part.row; row < part.row + part.rows; row += step)
    for (Index column = part.column; column < part.column + part.columns; column += width) {
      const BlockTile tile{.panel = static_cast<const std::byte*>(p.b) + column / panel_outputs * pitch,
                           .panel_pitch = pitch,
                           .inputs = p.inner,
                           .group = a.group(a_row + row),
                           .c = p.c + row * p.c_pitch + column,
                           .c_pitch = p.c_pitch,
                           .columns = std::min(width, part.column + part.columns - column),
                           .next = static_cast<const std::byte*>(p.b) + (column / panel_outputs + 2) * pitch,
                           .next_lines = 2 * pitch / (64 * blocks * groups) + 1};
      block_tile(level, tile, std::min(step, part.row + part.rows - row), p.b_format);
    }
  dispatch<FinishKernel>(level, &p, &part);
}

// Outputs of one task: enough bytes to read at a stretch, and tasks for every thread.
inline Index block_band(const ProductOperands& p, int threads) {
  const Index most = BlockTile::most_panels(p.rows);
  const Index panels = p.columns < 4 * threads * most * panel_outputs ? 2 : most,
              width = panels * panel_outputs;
  const Index by_bytes =
      std::max<Index>(1, band_bytes / std::max<Index>(1, panels * panel_bytes(p.b_format, p.inner)));
  const Index by_tasks = std::max<Index>(1, p.columns / (4 * threads * width));
  return std::min(p.rows > 2 * tile_rows ? band_pairs : by_bytes, by_tasks) * width;
}

// Rows of x to rows of A from `first` on, where a group begins.
inline void quantize_some(IsaLevel level, View<const float, 2, Cpu> x, const BlockRows& a, Index first) {
  dispatch<BlockRowsKernel>(level, x.data, x.pitch, x.extent[1], x.rows(), a.group(first));
}

inline void quantize_rows(Queue<Cpu>& queue, View<const float, 2, Cpu> x, const BlockRows& a) {
  constexpr Index each = 2 * together_rows;
  queue.parallel((x.rows() + each - 1) / each, [&](Index task, int) {
    const Index first = task * each;
    quantize_some(queue.level(), x.rows(first, std::min(each, x.rows() - first)), a, first);
  });
}

inline std::size_t block_scratch(Index rows, Index inputs) {
  return BlockRows::bytes(std::min(rows, block_rows_at_once), inputs);
}

inline void multiply_blocks(Queue<Cpu>& queue, const ProductGroup& group, Scratch scratch) {
  const Index all = group.front().rows, inner = group.front().inner;
  for (Index first = 0; first < all; first += block_rows_at_once) {
    const ProductGroup part = group.rows(first, std::min(block_rows_at_once, all - first));
    const Index rows = part.front().rows;
    const BlockRows a(scratch.data, inner);
    View<const float, 2, Cpu> x(part.front().a, Shape<2>{{rows, inner}});
    x.pitch = part.front().a_row;
    quantize_rows(queue, x, a);
    Index bands[ProductGroup::most], parts[ProductGroup::most], tasks = 0;
    for (int i = 0; i < part.count; ++i) {
      bands[i] = block_band(part.products[i], queue.threads());
      parts[i] = (part.products[i].columns + bands[i] - 1) / bands[i];
      tasks += parts[i];
    }
    queue.parallel(tasks, [&](Index task, int) {
      int i = 0;
      for (; task >= parts[i]; ++i) task -= parts[i];
      const Index column = task * bands[i];
      block_part(queue.level(), part.products[i], a, 0,
                 {.row = 0,
                  .rows = rows,
                  .column = column,
                  .columns = std::min(bands[i], part.products[i].columns - column)});
    });
  }
}

}  // namespace vlm::cpu
