// Cells of a key/value cache on the CPU; bound by memory.
#pragma once

#include <cstring>

#include <vlm/ops/cpu/rows_parallel.hpp>
#include <vlm/ops/store_cells.hpp>

namespace vlm {

namespace cpu {

inline void store_cell(const float* from, Index features, CellFormat format, std::byte* to) {
  if (format == CellFormat::F32) {
    std::memcpy(to, from, static_cast<std::size_t>(features) * sizeof(float));
  } else {
    bf16* narrow = reinterpret_cast<bf16*>(to);
    for (Index i = 0; i < features; ++i) narrow[i] = bf16(from[i]);
  }
}

}  // namespace cpu

template <class T>
void compute(Queue<Cpu>& queue, const StoreCells<Cpu, T>& op, Scratch) {
  const CellPages<Cpu>& pages = op.pages;
  constexpr Index cells = CellPages<Cpu>::cells;
  const std::size_t cell_bytes = static_cast<std::size_t>(pages.features) * size_of(pages.format);
  cpu::parallel_rows(queue, op.keys.rows(), pages.features, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i) {
      const Index place = pages.places(i);
      std::byte* page = pages.table(place / cells) + static_cast<std::size_t>(place % cells) * cell_bytes;
      cpu::store_cell(op.keys.row(i), pages.features, pages.format, page + pages.offset(op.block, false));
      cpu::store_cell(op.values.row(i), pages.features, pages.format, page + pages.offset(op.block, true));
    }
  });
}

}  // namespace vlm
