// Products with a weight in bf16 panels, with codes for exponents or without:  C = activation(A W' + bias). The rows of A
// are rounded to bf16 first (bf16_rows.hpp); a task is then a band of panels with some of those rows (bf16_tile.hpp).
#pragma once

#include <algorithm>

#include <vlm/ops/cpu/bf16_code_row.hpp>
#include <vlm/ops/cpu/block_product.hpp>

namespace vlm::cpu {

inline constexpr Index bf16_part_rows = 512;  // of C, at once

inline void bf16_tile(IsaLevel level, const Bf16Tile& tile, Index rows) {
#if defined(__x86_64__)
  if (level == IsaLevel::Avx512 && has_bf16_products()) return Bf16DotTile::run(tile, rows);
#endif
  dispatch<Bf16TileKernel>(level, &tile, rows);
}

// Rows of sums, to which bias and activation come, to C.
struct StoreSumsKernel {
  template <int W>
  VLM_INLINE static void run(const ProductOperands* sums, Index rows, Index columns, float* c,
                             Index c_pitch) {
    ProductPartKernel::finish<W>(*sums, {.rows = rows, .columns = columns});
    for (Index i = 0; i < rows; ++i, c += c_pitch) {
      const float* from = sums->c + i * sums->c_pitch;
      Index j = 0;
      Floats<W> lanes;
      for (; j + W <= columns; j += W) {
        load<W>(lanes, from + j);
        store<W>(c + j, lanes);
      }
      for (; j < columns; ++j) c[j] = from[j];
    }
  }
};

// Some panels of a weight, as tiles read them, slab by slab: where they lie, or decoded to memory of this object.
class SlabPanels {
 public:
  SlabPanels(IsaLevel level, DType format, Index inputs)
      : level_(level), format_(format), inputs_(inputs), pitch_(panel_bytes(format, inputs)) {}

  Index pitch() const { return pitch_; }
  bool coded() const { return format_ == DType::Bf16CodeBlocks; }
  // Sets the tile's panels: those from `first` on.
  void set_panels(const std::byte* first, Index slab, Bf16Tile& tile) {
    tile.panel = first + slab * decoded_pitch;
    tile.panel_pitch = pitch_;
    if (!coded()) return;
    for (Index panel = 0; panel < tile.panels; ++panel)
      decode_slab(level_, CodePanel<const std::byte>(first + panel * pitch_, inputs_), slab,
                  reinterpret_cast<bf16*>(decoded_ + panel * decoded_pitch));
    tile.panel = decoded_;
    tile.panel_pitch = decoded_pitch;
  }

 private:
  static constexpr Index decoded_pitch = slab_numbers * static_cast<Index>(sizeof(bf16));

  IsaLevel level_;
  DType format_;
  Index inputs_, pitch_;
  alignas(64) std::byte decoded_[most_panels * decoded_pitch];
};

// Some rows of C with panels from `first` on, whatever their format: to `to`, by way of `sums`, [rows, sum_pitch].
inline void multiply_panels(IsaLevel level, const Bf16Rows& a, Index a_row, Index rows,
                            const std::byte* first, Index count, SlabPanels& panels, float* sums, float* to,
                            Index to_pitch) {
#if defined(__x86_64__)
  const bool one_coded_row = panels.coded() && rows == 1 && level == IsaLevel::Avx512 && has_exponent_codes();
  if (one_coded_row)
    Bf16CodeRow::run({.panel = first, .panel_pitch = panels.pitch(), .panels = count, .a = a, .a_row = a_row},
                     to);
  else
#endif
    for (Index slab = 0; slab < a.slabs(); ++slab) {
      Bf16Tile tile{
          .panels = count,
          .a = a.at(slab, a_row),
          .pairs = blocks_of(std::min(slab_inputs, a.inputs - slab * slab_inputs)) * (block_inputs / 2),
          .begins = slab == 0,
          .sums = sums,
          .to = slab + 1 == a.slabs() ? to : sums,
          .to_pitch = slab + 1 == a.slabs() ? to_pitch : Bf16Tile::sum_pitch};
      panels.set_panels(first, slab, tile);
      // Between some rows and the next, a share of the slabs that follow is fetched.
      const Index step = panels.coded() ? 8 * tile_rows : std::max<Index>(rows, 1);
      const std::byte* soon = first;
      Index lines = 0;
      if (panels.coded()) {
        const CodePanel<const std::byte> codes(first, a.inputs);
        soon = codes.near(slab + 1);
        lines = (soon - codes.near(slab)) / 64 * std::min(step, rows) / rows + 1;
      }
      for (Index row = 0; row < rows; row += step, tile.next_rows(step), soon += 64 * lines) {
        for (Index panel = 0; panel < count; ++panel)
          for (Index line = 0; line < lines; ++line)
            __builtin_prefetch(soon + panel * panels.pitch() + 64 * line, 0, 2);
        bf16_tile(level, tile, std::min(step, rows - row));
      }
    }
}

// One part of C, whose first column begins a panel; A's rows from `a_row` on are row 0 and following of C.
inline void block_part(IsaLevel level, const ProductOperands& p, const Bf16Rows& a, Index a_row,
                       const ProductPart& part) {
  constexpr Index width = Bf16Tile::sum_pitch;
  SlabPanels panels(level, p.b_format, p.inner);
  alignas(64) float sums[bf16_part_rows * width];  // rows of C lie far apart, these in the second cache
  for (Index row = part.row; row < part.row + part.rows; row += bf16_part_rows)
    for (Index column = part.column; column < part.column + part.columns; column += width) {
      const Index rows = std::min(bf16_part_rows, part.row + part.rows - row),
                  columns = std::min(width, part.column + part.columns - column);
      const std::byte* first = static_cast<const std::byte*>(p.b) + column / panel_outputs * panels.pitch();
      float* c = p.c + row * p.c_pitch + column;
      if (p.inner == 0) std::fill_n(sums, rows * width, 0.0f);
      if (p.inner > 0 && columns % panel_outputs == 0 && !p.bias && p.activation == Activation::None) {
        multiply_panels(level, a, a_row + row, rows, first, panels_of(columns), panels, sums, c, p.c_pitch);
        continue;
      }
      multiply_panels(level, a, a_row + row, rows, first, panels_of(columns), panels, sums, sums, width);
      const ProductOperands done{.bias = p.bias ? p.bias + column : nullptr,
                                 .activation = p.activation,
                                 .c = sums,
                                 .c_pitch = width};
      dispatch<StoreSumsKernel>(level, &done, rows, columns, c, p.c_pitch);
    }
}

inline void quantize_rows(Queue<Cpu>& queue, View<const float, 2, Cpu> x, const Bf16Rows& rows) {
  constexpr Index each = 16;
  const auto round = [&](Index task, int) {
    dispatch<Bf16RowsKernel>(queue.level(), x.data, x.pitch, rows, task * each,
                             std::min(each, x.rows() - task * each));
  };
  if (x.rows() <= each)
    round(0, 0);
  else
    queue.parallel((x.rows() + each - 1) / each, round);
}

// Parts of C that tasks compute: bands of panels, narrower and cut into rows where some threads would stay idle.
inline ProductGrid bf16_grid(const ProductOperands& p, int threads) {
  const auto count = [](Index all, Index each) { return (all + each - 1) / each; };
  const Index parts = std::max<Index>(1, count(p.rows, bf16_part_rows));
  ProductGrid grid{.rows = std::max<Index>(1, count(p.rows, parts)), .columns = most_panels * panel_outputs};
  if (p.rows <= tile_rows) {  // read at a stretch
    const Index width = grid.columns,
                by_bytes = band_bytes / std::max<Index>(1, most_panels * panel_bytes(p.b_format, p.inner)),
                by_tasks = p.columns / (4 * threads * width);
    grid.columns = width * std::max<Index>(1, std::min(by_bytes, by_tasks));
  }
  const auto few = [&] { return count(p.rows, grid.rows) * count(p.columns, grid.columns) < 4 * threads; };
  while (few() && grid.rows >= 16 * tile_rows) grid.rows = rounded_up(count(grid.rows, 2), tile_rows);
  while (few() && grid.columns > panel_outputs) grid.columns /= 2;
  grid.down = count(p.rows, grid.rows);
  grid.across = count(p.columns, grid.columns);
  return grid;
}

// Rows of A at once: even parts of at most block_rows_at_once.
inline Index bf16_rows_at_once(Index rows) {
  const Index parts = std::max<Index>(1, (rows + block_rows_at_once - 1) / block_rows_at_once);
  return (rows + parts - 1) / parts;
}

inline std::size_t bf16_scratch(Index rows, Index inputs) {
  return Bf16Rows::bytes(bf16_rows_at_once(rows), inputs);
}

inline void multiply_bf16(Queue<Cpu>& queue, const ProductGroup& group, Scratch scratch) {
  const Index all = group.front().rows, inner = group.front().inner, at_once = bf16_rows_at_once(all);
  for (Index first = 0; first < all; first += at_once) {
    const ProductGroup part = group.rows(first, std::min(at_once, all - first));
    const Index rows = part.front().rows;
    const Bf16Rows a(scratch.data, rows, inner);
    View<const float, 2, Cpu> x(part.front().a, Shape<2>{{rows, inner}});
    x.pitch = part.front().a_row;
    quantize_rows(queue, x, a);
    ProductGrid grids[ProductGroup::most];
    Index tasks = 0;
    for (int i = 0; i < part.count; ++i) {
      grids[i] = bf16_grid(part.products[i], queue.threads());
      tasks += grids[i].parts();
    }
    queue.parallel(tasks, [&](Index task, int) {
      int i = 0;
      for (; task >= grids[i].parts(); ++i) task -= grids[i].parts();
      const ProductGrid& grid = grids[i];
      const Index row = task / grid.across * grid.rows, column = task % grid.across * grid.columns;
      block_part(queue.level(), part.products[i], a, 0,
                 {.row = row,
                  .rows = std::min(grid.rows, rows - row),
                  .column = column,
                  .columns = std::min(grid.columns, part.products[i].columns - column)});
    });
  }
}

}  // namespace vlm::cpu
