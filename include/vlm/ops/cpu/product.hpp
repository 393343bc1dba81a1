// The engine of all products on the CPU:  C[m, n] (+)= A[m, k] B[k, n] (+ bias, activation). Every element is one chain
// over k, whatever the road that product_few.hpp or product_many.hpp takes and whatever the part of C.
#pragma once

#include <algorithm>

#include <vlm/ops/cpu/activation.hpp>
#include <vlm/ops/cpu/product_few.hpp>
#include <vlm/ops/cpu/product_many.hpp>
#include <vlm/ops/matrix.hpp>

namespace vlm::cpu {

struct ProductPartKernel {
  // Bias and activation of one part, row by row.
  template <int W>
  VLM_INLINE static void finish(const ProductOperands& p, const ProductPart& part) {
    if (!p.bias && p.activation == Activation::None) return;
    for (Index i = part.row; i < part.row + part.rows; ++i) {
      float* c = p.c + i * p.c_pitch + part.column;
      if (p.bias) {
        Index j = 0;
        Floats<W> sum, bias;
        for (; j + W <= part.columns; j += W) {
          load<W>(sum, c + j);
          load<W>(bias, p.bias + part.column + j);
          sum += bias;
          store<W>(c + j, sum);
        }
        for (; j < part.columns; ++j) c[j] += p.bias[part.column + j];
      }
      if (p.activation == Activation::GeluTanh) GeluForwardKernel::run<W>(c, c, part.columns, true);
      if (p.activation == Activation::GeluErf) GeluForwardKernel::run<W>(c, c, part.columns, false);
    }
  }

  template <int W>
  VLM_INLINE static void run(const ProductOperands* operands, const ProductPart* part, float* scratch) {
    const ProductOperands& p = *operands;
    if (part->rows <= 0 || part->columns <= 0) return;
    if (p.b_format == DType::BF16)
      run_as<W, bf16>(p, *part, scratch);
    else
      run_as<W, float>(p, *part, scratch);
  }
  template <int W, class Stored>
  VLM_INLINE static void run_as(const ProductOperands& p, const ProductPart& part, float* scratch) {
    if (rows_are_few(p))
      FewRowsProduct<Stored>::template run<W>(p, part, scratch);
    else
      ManyRowsProduct<Stored>::template run<W>(p, part, scratch);
    finish<W>(p, part);
  }
};

// How C is cut into parts: a grid.
struct ProductGrid {
  Index rows = 0, columns = 0;  // of one part
  Index down = 0, across = 0;   // number of parts
  Index parts() const { return down * across; }
};

// `threads` workers share the parts: as large as the caches like, smaller where some would stay idle.
inline ProductGrid product_grid(const ProductOperands& p, int threads = 1) {
  ProductGrid grid;
  const auto count = [](Index all, Index each) { return (all + each - 1) / each; };
  if (rows_are_few(p)) {
    grid.rows = most_few_rows(p);
    grid.columns = few_columns;
    if (p.b_column == 1)  // pieces of the rows of B are long, its part of C stays in the cache
      grid.columns =
          std::clamp<Index>(
              std::min(streamed_floats / std::max<Index>(p.rows, 1), count(p.columns, threads)) / few_columns,
              1, most_streamed_columns / few_columns) *
          few_columns;
  } else {
    const bool swapped = lanes_go_over_rows(p);
    Index& broadcasts = swapped ? grid.columns : grid.rows;
    Index& lanes = swapped ? grid.rows : grid.columns;
    const Index all_broadcasts = swapped ? p.columns : p.rows, all_lanes = swapped ? p.rows : p.columns;
    const auto even = [&](Index all, Index most, Index unit) {
      return std::min(rounded_up(count(all, count(all, most)), unit), most);
    };
    const Index depth = std::min(rounded_up(p.inner, 16), block_depth);
    lanes = even(all_lanes,
                 std::min(packed_lane_floats / depth / panel_columns * panel_columns,
                          swapped ? block_lanes : most_lanes),
                 panel_columns);
    broadcasts = even(all_broadcasts,
                      swapped ? turned_floats / lanes / group_items * group_items : most_items, group_items);
    while (threads > 1 && count(all_broadcasts, broadcasts) * count(all_lanes, lanes) < 3 * threads) {
      if (broadcasts > group_items)
        broadcasts = rounded_up(broadcasts / 2, tile_rows);
      else if (lanes > panel_columns)
        lanes = rounded_up(lanes / 2, panel_columns);
      else
        break;
    }
  }
  grid.down = count(p.rows, grid.rows);
  grid.across = count(p.columns, grid.columns);
  return grid;
}

inline std::size_t product_scratch(const Queue<Cpu>& queue) {
  return static_cast<std::size_t>(queue.threads()) * product_scratch_floats * sizeof(float);
}

// Computes part `task` of the grid.
inline void product_task(IsaLevel level, const ProductOperands& p, const ProductGrid& grid, Index task,
                         float* scratch) {
  ProductPart part;
  part.row = task % grid.down * grid.rows;
  part.rows = std::min(grid.rows, p.rows - part.row);
  part.column = task / grid.down * grid.columns;
  part.columns = std::min(grid.columns, p.columns - part.column);
  dispatch<ProductPartKernel>(level, &p, static_cast<const ProductPart*>(&part), scratch);
}

inline void multiply(Queue<Cpu>& queue, const ProductOperands& p, Scratch scratch) {
  if (p.rows == 0 || p.columns == 0) return;
  const ProductGrid grid = product_grid(p, queue.threads());
  queue.parallel(grid.parts(), [&](Index task, int worker) {
    product_task(queue.level(), p, grid, task,
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

}  // namespace vlm::cpu
