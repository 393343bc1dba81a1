// Cells of a key/value cache on the CPU; bound by memory.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include <vlm/ops/cpu/rows_parallel.hpp>
#include <vlm/ops/store_cells.hpp>

namespace vlm {

namespace cpu {

// `count` numbers, `step` apart where they are stored.
inline void store_numbers(const float* from, Index count, float* to, Index step) {
  for (Index i = 0; i < count; ++i) to[i * step] = from[i];
}
inline void store_numbers(const float* from, Index count, bf16* to, Index step) {
  for (Index i = 0; i < count; ++i) to[i * step] = bf16(from[i]);
}
// The same in pairs, of an even count.
inline void store_pairs(const float* from, Index count, bf16* to, Index step) {
  for (Index i = 0; i < count; i += 2, to += step) {
    const bf16 pair[] = {bf16(from[i]), bf16(from[i + 1])};
    std::memcpy(to, pair, sizeof pair);
  }
}
// Returns the scale.
inline float store_numbers(const float* from, Index count, std::int8_t* to, Index step) {
  float most = 0;
  bool finite = true;
  for (Index i = 0; i < count; ++i) {
    const float size = std::abs(from[i]);
    finite = finite && size <= std::numeric_limits<float>::max();
    most = size > most ? size : most;
  }
  const float factor = finite && most >= 1e-30f ? 127 / most : 0;
  for (Index i = 0; i < count; ++i)
    to[i * step] = factor > 0 ? static_cast<std::int8_t>(std::nearbyint(from[i] * factor)) : std::int8_t{0};
  if (!finite) return std::numeric_limits<float>::quiet_NaN();
  return factor > 0 ? most / 127 : 0;
}

// A head's numbers of one key or value, `count` of them, into cell `cell` of the part that begins at `part` and has its
// scales at `scales`.
template <class Number>
void store_cell(const float* from, Index count, std::byte* part, std::size_t scales, Index cell,
                bool values) {
  constexpr Index cells = CellPages<Cpu>::cells;
  Number* numbers = reinterpret_cast<Number*>(part);
  if constexpr (std::is_same_v<Number, bf16>) {
    if (values)
      store_numbers(from, count, numbers + cell / 2 * 2 * count + cell % 2, 2);
    else
      store_pairs(from, count, numbers + 2 * cell, 2 * cells);
  } else {
    Number* to = values ? numbers + cell * count : numbers + cell;
    const Index step = values ? 1 : cells;
    if constexpr (std::is_same_v<Number, std::int8_t>) {
      const float scale = store_numbers(from, count, to, step);
      std::memcpy(part + scales + static_cast<std::size_t>(cell) * sizeof scale, &scale, sizeof scale);
    } else {
      store_numbers(from, count, to, step);
    }
  }
}

}  // namespace cpu

template <class T>
void compute(Queue<Cpu>& queue, const StoreCells<Cpu, T>& op, Scratch) {
  const CellPages<Cpu>& pages = op.pages;
  constexpr Index cells = CellPages<Cpu>::cells;
  const auto store = pages.format == CellFormat::F32    ? cpu::store_cell<float>
                     : pages.format == CellFormat::BF16 ? cpu::store_cell<bf16>
                                                        : cpu::store_cell<std::int8_t>;
  cpu::parallel_rows(queue, op.keys.rows(), pages.heads * pages.head_dim, [&](Index first, Index rows) {
    // One head after the other: its part of a page stays in the first cache.
    for (Index head = 0; head < pages.heads; ++head)
      for (Index i = first; i < first + rows; ++i) {
        const Index place = pages.places(i);
        std::byte* page = pages.table(place / cells);
        for (const bool values : {false, true})
          store((values ? op.values : op.keys).row(i) + head * pages.head_dim, pages.head_dim,
                page + pages.offset(op.block, head, values), pages.scales_offset(), place % cells, values);
      }
  });
}

}  // namespace vlm
