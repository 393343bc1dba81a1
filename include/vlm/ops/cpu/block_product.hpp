// Products with a weight in blocks:  C = activation(A W' + bias). The rows of A become bytes first (block_rows.hpp); a
// task is then a band of panels with all those rows (block_tile.hpp).
#pragma once

#include <algorithm>

#include <vlm/ops/cpu/block_tile_vnni.hpp>
#include <vlm/ops/cpu/product.hpp>

namespace vlm::cpu {

inline constexpr Index block_rows_at_once = 768;  // of A
inline constexpr Index resident_blocks = 16;  // two panels of so many stay in the first cache, for many rows
inline constexpr Index band_bytes = Index{1} << 18;  // of a task, where reading decides

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

// One part of C, whose first column begins a panel; A's rows from `a_row` on are row 0 and following of C.
inline void block_part(IsaLevel level, const ProductOperands& p, const BlockRows& a, Index a_row,
                       const ProductPart& part) {
  const Index pitch = panel_bytes(p.b_format, p.inner), first_row = a_row + part.row;
  const Index depth = part.rows > 2 * tile_rows ? resident_blocks : std::max<Index>(a.blocks, 1);
  for (Index row = part.row; row < part.row + part.rows; ++row)
    std::fill_n(p.c + row * p.c_pitch + part.column, part.columns, 0.0f);
  for (Index column = part.column; column < part.column + part.columns; column += 2 * panel_outputs)
    for (Index block = 0; block < a.blocks; block += depth) {
      const BlockTile tile{.panel = static_cast<const std::byte*>(p.b) + column / panel_outputs * pitch,
                           .panel_pitch = pitch,
                           .inputs = p.inner,
                           .a = a.values + first_row * a.pitch(),
                           .scales = a.scales + first_row * a.blocks,
                           .sums = a.sums + first_row * a.blocks,
                           .starts = a.starts + first_row * a.blocks,
                           .blocks = a.blocks,
                           .first = block,
                           .last = std::min(a.blocks, block + depth),
                           .c = p.c + part.row * p.c_pitch + column,
                           .c_pitch = p.c_pitch,
                           .columns = std::min(2 * panel_outputs, part.column + part.columns - column)};
      block_tile(level, tile, part.rows, p.b_format);
    }
  dispatch<FinishKernel>(level, &p, &part);
}

// Outputs of one task: enough bytes to read at a stretch, and tasks for every thread.
inline Index block_band(const ProductOperands& p, int threads) {
  const Index pair = 2 * panel_outputs, pairs = (p.columns + pair - 1) / pair;
  const Index by_bytes = std::max<Index>(1, band_bytes / (2 * panel_bytes(p.b_format, p.inner)));
  const Index by_tasks = std::max<Index>(1, pairs / (4 * threads));
  return (p.rows > 2 * tile_rows ? 1 : std::min(by_bytes, by_tasks)) * pair;
}

inline void quantize_rows(Queue<Cpu>& queue, View<const float, 2, Cpu> x, const BlockRows& rows) {
  constexpr Index each = 16;
  const auto quantize = [&](Index task, int) {
    dispatch<BlockRowsKernel>(queue.level(), x.data, x.pitch, x.extent[1], rows, task * each,
                              std::min(each, x.rows() - task * each));
  };
  if (x.rows() <= each)
    quantize(0, 0);
  else
    queue.parallel((x.rows() + each - 1) / each, quantize);
}

inline std::size_t block_scratch(Index rows, Index inputs) {
  return BlockRows::bytes(std::min(rows, block_rows_at_once), inputs);
}

inline void multiply_blocks(Queue<Cpu>& queue, ProductOperands p, Scratch scratch) {
  const Index all = p.rows;
  for (Index first = 0; first < all; first += block_rows_at_once) {
    p.rows = std::min(block_rows_at_once, all - first);
    const BlockRows a(scratch.data, p.rows, p.inner);
    View<const float, 2, Cpu> x(p.a, Shape<2>{{p.rows, p.inner}});
    x.pitch = p.a_row;
    quantize_rows(queue, x, a);
    const Index band = block_band(p, queue.threads());
    queue.parallel((p.columns + band - 1) / band, [&](Index task, int) {
      const Index column = task * band;
      block_part(queue.level(), p, a, 0,
                 {.row = 0, .rows = p.rows, .column = column, .columns = std::min(band, p.columns - column)});
    });
    p.a += p.rows * p.a_row;
    p.c += p.rows * p.c_pitch;
  }
}

}  // namespace vlm::cpu
