// Products on the CPU. One engine for all orientations:  C[m, n] (+)= A[m, k] B[k, n] (+ bias), with strided
// A and with B packed, a panel of columns and a slice of k at a time, into f32 rows that the tile kernel
// reads in order. Bound by multiply-adds for many rows, by reading the weight for few.
#pragma once

#include <algorithm>
#include <vlm/ops/cpu/tile.hpp>
#include <vlm/ops/matmul.hpp>

namespace vlm::cpu {

// B[k, n] with both strides, in f32 or bf16.
struct ProductOperands {
  const float* a = nullptr;
  Index a_row = 0, a_k = 0;
  const void* b = nullptr;
  DType b_format = DType::F32;
  Index b_k = 0, b_column = 0;
  const float* bias = nullptr;
  float* c = nullptr;
  Index c_pitch = 0;
  Index rows = 0, columns = 0, inner = 0;
  bool add = false;
};

inline constexpr Index panel_columns = 32;
inline constexpr Index panel_depth = 512;
// Per worker: one packed panel and one spare tile for columns that do not fill a panel.
inline constexpr Index spare_rows = 12;
inline constexpr std::size_t product_scratch_floats = panel_columns * (panel_depth + spare_rows);

template <class Stored>
VLM_INLINE float widen(Stored value) {
  if constexpr (sizeof(Stored) == 2) {
    const std::uint32_t bits = static_cast<std::uint32_t>(value.bits) << 16;
    float wide;
    std::memcpy(&wide, &bits, sizeof wide);
    return wide;
  } else {
    return value;
  }
}

// packed[k][j] = B[k0 + k, column + j]; columns beyond the matrix are zero.
template <class Stored>
VLM_INLINE void pack_panel(const ProductOperands& p, Index k0, Index depth, Index column, Index width,
                           float* packed) {
  const Stored* b = static_cast<const Stored*>(p.b) + k0 * p.b_k + column * p.b_column;
  if (p.b_column == 1) {
    for (Index k = 0; k < depth; ++k) {
      const Stored* from = b + k * p.b_k;
      float* to = packed + k * panel_columns;
      for (Index j = 0; j < width; ++j) to[j] = widen(from[j]);
      for (Index j = width; j < panel_columns; ++j) to[j] = 0;
    }
    return;
  }
  // Turned in blocks of 16, so that both sides stay in the first cache.
  for (Index block = 0; block < depth; block += 16) {
    const Index end = std::min(depth, block + 16);
    for (Index j = 0; j < width; ++j) {
      const Stored* from = b + j * p.b_column;
      for (Index k = block; k < end; ++k) packed[k * panel_columns + j] = widen(from[k * p.b_k]);
    }
    for (Index j = width; j < panel_columns; ++j)
      for (Index k = block; k < end; ++k) packed[k * panel_columns + j] = 0;
  }
}

// One panel of columns for a range of rows.
struct ProductKernel {
  template <int W>
  VLM_INLINE static void run(const ProductOperands* operands, Index row, Index rows, Index column,
                             float* scratch) {
    const ProductOperands& p = *operands;
    const Index width = std::min(panel_columns, p.columns - column);
    float* packed = scratch;
    float* spare = scratch + panel_columns * panel_depth;
    for (Index k0 = 0; k0 < p.inner || k0 == 0; k0 += panel_depth) {
      const Index depth = std::min(panel_depth, p.inner - k0);
      if (p.b_format == DType::BF16)
        pack_panel<bf16>(p, k0, depth, column, width, packed);
      else
        pack_panel<float>(p, k0, depth, column, width, packed);
      TileOperands t{.a = p.a + row * p.a_row + k0 * p.a_k,
                     .a_row = p.a_row,
                     .a_k = p.a_k,
                     .b = packed,
                     .b_pitch = panel_columns,
                     .c = p.c + row * p.c_pitch + column,
                     .c_pitch = p.c_pitch,
                     .k = depth,
                     .add = p.add || k0 > 0};
      if (width == panel_columns)
        tile_product<W>(t, rows, panel_columns);
      else
        narrow<W>(t, rows, width, spare);
    }
    if (p.bias)
      for (Index i = row; i < row + rows; ++i)
        for (Index j = column; j < column + width; ++j) p.c[i * p.c_pitch + j] += p.bias[j];
  }

  // Columns that do not fill a panel go through a spare tile.
  template <int W>
  VLM_INLINE static void narrow(TileOperands t, Index rows, Index width, float* spare) {
    float* c = t.c;
    const Index c_pitch = t.c_pitch;
    t.c = spare;
    t.c_pitch = panel_columns;
    for (Index done = 0; done < rows; done += spare_rows) {
      const Index part = std::min(spare_rows, rows - done);
      for (Index i = 0; t.add && i < part; ++i)
        for (Index j = 0; j < panel_columns; ++j)
          spare[i * panel_columns + j] = j < width ? c[i * c_pitch + j] : 0;
      tile_product<W>(t, part, panel_columns);
      for (Index i = 0; i < part; ++i)
        for (Index j = 0; j < width; ++j) c[i * c_pitch + j] = spare[i * panel_columns + j];
      t.a += part * t.a_row;
      c += part * c_pitch;
    }
  }
};

inline std::size_t product_scratch(const Queue<Cpu>& queue) {
  return static_cast<std::size_t>(queue.threads()) * product_scratch_floats * sizeof(float);
}

// How many ranges of rows each panel is cut into, so that every worker has something to do.
inline Index row_ranges(const Queue<Cpu>& queue, const ProductOperands& p) {
  const Index panels = (p.columns + panel_columns - 1) / panel_columns;
  const Index wanted = 4 * queue.threads();
  return std::clamp<Index>(panels >= wanted ? 1 : (wanted + panels - 1) / std::max<Index>(panels, 1), 1,
                           std::max<Index>(1, p.rows / 48));
}

// Computes one of `ranges` parts of one panel.
inline void product_task(IsaLevel level, const ProductOperands& p, Index ranges, Index task, float* scratch) {
  const Index per_range = (p.rows + ranges - 1) / ranges;
  const Index row = task % ranges * per_range;
  const Index rows = std::min(per_range, p.rows - row);
  if (rows > 0) dispatch<ProductKernel>(level, &p, row, rows, task / ranges * panel_columns, scratch);
}

inline void multiply(Queue<Cpu>& queue, const ProductOperands& p, Scratch scratch) {
  if (p.rows == 0 || p.columns == 0) return;
  const Index ranges = row_ranges(queue, p);
  const Index panels = (p.columns + panel_columns - 1) / panel_columns;
  queue.parallel(panels * ranges, [&](Index task, int worker) {
    product_task(queue.level(), p, ranges, task,
                 scratch.as<float>() + static_cast<std::size_t>(worker) * product_scratch_floats);
  });
}

// B = W' (x to y) or W (dy to dx) of a stored weight.
inline void set_weight(ProductOperands& p, const Matrix<Cpu>& weight, bool transposed) {
  p.b = weight.data;
  p.b_format = weight.format;
  const bool turned = transposed != weight.input_major;
  p.b_k = turned ? 1 : weight.pitch;
  p.b_column = turned ? weight.pitch : 1;
}

// into[j] += sum over rows of x[., j]: fixed ranges of rows, then their sums in order.
struct ColumnSumKernel {
  template <int W>
  VLM_INLINE static void run(const float* x, Index pitch, Index rows, Index column, Index width,
                             float* into) {
    for (Index i = 0; i < rows; ++i)
      for (Index j = column; j < column + width; ++j) into[j] += x[i * pitch + j];
  }
};
inline void add_column_sums(Queue<Cpu>& queue, View<const float, 2, Cpu> x, View<float, 1, Cpu> into) {
  constexpr Index width = 64;
  const Index columns = x.extent[1];
  queue.parallel((columns + width - 1) / width, [&](Index task, int) {
    dispatch<ColumnSumKernel>(queue.level(), x.data, x.pitch, x.rows(), task * width,
                              std::min(width, columns - task * width), into.data);
  });
}

}  // namespace vlm::cpu

namespace vlm {

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const LinearForward<Cpu, T>&) {
  return cpu::product_scratch(queue);
}
template <class T>
void compute(Queue<Cpu>& queue, const LinearForward<Cpu, T>& op, Scratch scratch) {
  cpu::ProductOperands p{.a = op.x.data, .a_row = op.x.pitch, .a_k = 1, .bias = op.bias.data, .c = op.y.data};
  p.c_pitch = op.y.pitch;
  p.rows = op.x.rows();
  p.columns = op.weight.outputs;
  p.inner = op.weight.inputs;
  cpu::set_weight(p, op.weight, true);
  cpu::multiply(queue, p, scratch);
}

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const LinearBackwardInput<Cpu, T>&) {
  return cpu::product_scratch(queue);
}
template <class T>
void compute(Queue<Cpu>& queue, const LinearBackwardInput<Cpu, T>& op, Scratch scratch) {
  cpu::ProductOperands p{
      .a = op.dy.data, .a_row = op.dy.pitch, .a_k = 1, .c = op.dx.data, .c_pitch = op.dx.pitch};
  p.rows = op.dy.rows();
  p.columns = op.weight.inputs;
  p.inner = op.weight.outputs;
  p.add = op.add;
  cpu::set_weight(p, op.weight, false);
  cpu::multiply(queue, p, scratch);
}

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const LinearBackwardWeight<Cpu, T>&) {
  return cpu::product_scratch(queue);
}
template <class T>
void compute(Queue<Cpu>& queue, const LinearBackwardWeight<Cpu, T>& op, Scratch scratch) {
  if (op.dy.rows() == 0) return;
  if (op.dweight) {
    cpu::ProductOperands p{.a = op.dy.data, .a_row = 1, .a_k = op.dy.pitch, .b = op.x.data};
    p.b_k = op.x.pitch;
    p.b_column = 1;
    p.c = op.dweight.data;
    p.c_pitch = op.dweight.pitch;
    p.rows = op.dweight.extent[0];
    p.columns = op.dweight.extent[1];
    p.inner = op.dy.rows();
    p.add = true;
    cpu::multiply(queue, p, scratch);
  }
  if (op.dbias) cpu::add_column_sums(queue, op.dy, op.dbias);
}

}  // namespace vlm
