// The engine of all products on the CPU:  C[m, n] (+)= A[m, k] B[k, n] (+ bias, activation). Every element is
// one chain over k, whatever the road:
// - few rows: B is brought, a slice at a time, into the first cache; bound by reading the weight;
// - many rows: blocks of both operands are packed for the second cache; bound by multiply-adds. Where both
//   operands lie along k, lanes go over the rows of C, so that the weight is never turned.
#pragma once

#include <algorithm>

#include <vlm/ops/activation.hpp>
#include <vlm/ops/cpu/activation.hpp>
#include <vlm/ops/cpu/tile.hpp>
#include <vlm/ops/cpu/turn.hpp>
#include <vlm/ops/matrix.hpp>

namespace vlm::cpu {

// A in f32, B in f32 or bf16, both with two strides of which one is 1.
struct ProductOperands {
  const float* a = nullptr;
  Index a_row = 0, a_k = 0;
  const void* b = nullptr;
  DType b_format = DType::F32;
  Index b_k = 0, b_column = 0;
  const float* bias = nullptr;
  Activation activation = Activation::None;
  float* c = nullptr;
  Index c_pitch = 0;
  Index rows = 0, columns = 0, inner = 0;
  bool add = false;
};

// A rectangle of C, computed by one worker.
struct ProductPart {
  Index row = 0, rows = 0, column = 0, columns = 0;
};

inline constexpr Index few_rows = 20;       // up to here the reading of B decides
inline constexpr Index panel_columns = 32;  // lanes of a packed panel
inline constexpr Index block_lanes = 256, block_depth = 192;
inline constexpr Index block_broadcasts = 192;
inline constexpr Index broadcast_pitch = block_depth + 16;  // not a multiple of a page: rows must not collide
inline constexpr Index block_pitch = block_lanes + 16;
inline constexpr Index shallow_depth = 128;              // up to here C is swept in its own memory
inline constexpr Index few_panel = 64, few_depth = 128;  // B is turned: short rows of many columns
inline constexpr Index few_wide_panel = 256;             // B lies along columns: longer rows, less deep
inline constexpr Index packed_broadcast_floats = block_broadcasts * broadcast_pitch;
inline constexpr Index packed_lane_floats = block_lanes * block_depth;
inline constexpr Index block_floats = block_broadcasts * block_pitch;
inline constexpr std::size_t product_scratch_floats =
    static_cast<std::size_t>(packed_broadcast_floats + packed_lane_floats + block_floats);

inline Index rounded_up(Index value, Index unit) { return (value + unit - 1) / unit * unit; }
// Columns of one part when rows are few.
inline Index few_columns(const ProductOperands& p) { return p.b_column == 1 ? few_wide_panel : few_panel; }
inline bool lanes_go_over_rows(const ProductOperands& p) { return p.a_k == 1 && p.b_k == 1 && !p.add; }

// One operand seen as items (rows of A, columns of B) along k.
template <class Stored>
struct ProductSide {
  const Stored* data;
  Index item, k;  // strides
  const Stored* at(Index first_item, Index first_k) const { return data + first_item * item + first_k * k; }
};

struct TileProductKernel {
  template <int W>
  VLM_INLINE static void run(const TileOperands* operands, Index rows, Index columns) {
    tile_product<W>(*operands, rows, columns);
  }
};

template <int W>
VLM_INLINE void multiply_tile(const TileOperands& t, Index rows, Index columns) {
  call<W, TileProductKernel>(&t, rows, columns);
}

template <class Stored>
struct ProductKernel {
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

  // Panels of `width` lanes, one after the other, each packed[k][lane] with room for `room` k; the last is filled up
  // with zeros.
  template <int W, class Element>
  VLM_INLINE static void pack_lanes(const ProductSide<Element>& side, Index first, Index lanes, Index k0,
                                    Index depth, Index width, Index room, float* packed) {
    if (side.item == 1) {  // along the lanes, as they lie in memory
      for (Index k = 0; k < depth; ++k)
        for (Index lane = 0; lane < lanes; lane += width) {
          float* to = packed + lane * room + k * width;
          const Index filled = std::min(width, lanes - lane);
          copy_block<W>(side.at(first + lane, k0 + k), side.k, Index{1}, filled, to, width);
          for (Index j = filled; j < width; ++j) to[j] = 0;
        }
      return;
    }
    for (Index lane = 0; lane < lanes; lane += width)
      for (Index j = 0; j < width; j += W)
        turn_rows<W>(side.at(first + std::min(lane + j, lanes - 1), k0), side.item, lanes - lane - j, depth,
                     packed + lane * room + j, width, room);
  }

  // Few rows: one panel of columns, all of k.
  template <int W>
  VLM_INLINE static void few(const ProductOperands& p, const ProductPart& part, float* scratch) {
    const ProductSide<Stored> b{static_cast<const Stored*>(p.b), p.b_column, p.b_k};
    const Index width = few_columns(p), most_depth = few_panel * few_depth / width;
    float* panel = scratch;
    float* rows = panel + few_panel * few_depth;
    float* spare = rows + few_rows * few_depth;
    const bool narrow = part.columns % 8 != 0;
    float* c = p.c + part.row * p.c_pitch + part.column;
    TileOperands t{.a = nullptr,
                   .a_row = p.a_row,
                   .a_k = p.a_k,
                   .b = panel,
                   .b_pitch = width,
                   .c = c,
                   .c_pitch = p.c_pitch,
                   .k = 0,
                   .add = p.add};
    if (narrow) {
      t.c = spare;
      t.c_pitch = width;
      if (p.add)
        copy_block<W>(static_cast<const float*>(c), p.c_pitch, part.rows, part.columns, spare, width);
    }
    for (Index k0 = 0; k0 < p.inner || k0 == 0; k0 += most_depth, t.add = true) {
      t.k = std::min(most_depth, p.inner - k0);
      pack_lanes<W>(b, part.column, part.columns, k0, t.k, width, most_depth, panel);
      t.a = p.a + part.row * p.a_row + k0 * p.a_k;
      if (p.a_k == 1 && part.rows > 1) {  // rows a page apart would collide in the first cache
        copy_block<W>(t.a, p.a_row, part.rows, t.k, rows, few_depth);
        t.a = rows;
        t.a_row = few_depth;
      }
      multiply_tile<W>(t, part.rows, narrow ? rounded_up(part.columns, 2 * W) : part.columns);
    }
    if (narrow) copy_block<W>(static_cast<const float*>(spare), width, part.rows, part.columns, c, p.c_pitch);
  }

  // Broadcast elements of one side against packed lanes of the other, into a block [broadcast items][lanes].
  template <int W, class Broadcast, class Lane>
  VLM_INLINE static void block(const ProductSide<Broadcast>& left, Index first, Index items,
                               const ProductSide<Lane>& right, Index first_lane, Index lanes, Index inner,
                               float* c, Index c_pitch, bool add, float* scratch) {
    float* packed_left = scratch;
    float* packed_right = packed_left + packed_broadcast_floats;
    for (Index k0 = 0; k0 < inner || k0 == 0; k0 += block_depth, add = true) {
      const Index depth = std::min(block_depth, inner - k0);
      const bool along = left.k == 1;
      const Index pitch = along ? broadcast_pitch : block_broadcasts + 16;
      copy_block<W>(left.at(first, k0), along ? left.item : left.k, along ? items : depth,
                    along ? depth : items, packed_left, pitch);
      TileOperands t{.a = packed_left,
                     .a_row = along ? pitch : 1,
                     .a_k = along ? 1 : pitch,
                     .b = packed_right,
                     .b_pitch = panel_columns,
                     .c = c,
                     .c_pitch = c_pitch,
                     .k = depth,
                     .add = add};
      pack_lanes<W>(right, first_lane, lanes, k0, depth, panel_columns, block_depth, packed_right);
      for (Index lane = 0; lane < lanes && inner > shallow_depth; lane += panel_columns) {
        t.b = packed_right + lane * block_depth;
        t.c = c + lane;
        multiply_tile<W>(t, items, panel_columns);
      }
      if (inner <= shallow_depth) sweep<W>(t, items, lanes);
    }
  }

  // Along the rows of C, which are read and written as a stream.
  template <int W>
  VLM_INLINE static void sweep(TileOperands t, Index items, Index lanes) {
    for (; items > 0; items -= tile_rows<W>, t.a += tile_rows<W> * t.a_row, t.c += tile_rows<W> * t.c_pitch) {
      TileOperands tile = t;
      for (Index lane = 0; lane < lanes; lane += panel_columns) {
        tile.b = t.b + lane * block_depth;
        tile.c = t.c + lane;
        multiply_tile<W>(tile, std::min<Index>(items, tile_rows<W>), panel_columns);
      }
    }
  }

  template <int W>
  VLM_INLINE static void many(const ProductOperands& p, const ProductPart& part, float* scratch) {
    const ProductSide<float> a{p.a, p.a_row, p.a_k};
    const ProductSide<Stored> b{static_cast<const Stored*>(p.b), p.b_column, p.b_k};
    float* out = scratch + packed_broadcast_floats + packed_lane_floats;
    float* c = p.c + part.row * p.c_pitch + part.column;
    if (lanes_go_over_rows(p)) {
      block<W>(b, part.column, part.columns, a, part.row, part.rows, p.inner, out, block_pitch, false,
               scratch);
      for (Index i = 0; i < part.columns; i += W)  // out[column][row] goes back turned
        for (Index j = 0; j < part.rows; j += W)
          turn_back<W>(out + i * block_pitch + j, c + j * p.c_pitch + i, p.c_pitch,
                       std::min<Index>(W, part.columns - i), std::min<Index>(W, part.rows - j));
      return;
    }
    // Swept in place where k is short; otherwise in a block that stays in the cache.
    const bool in_place = p.inner <= shallow_depth && part.columns % panel_columns == 0;
    if (!in_place && p.add)
      copy_block<W>(static_cast<const float*>(c), p.c_pitch, part.rows, part.columns, out, block_pitch);
    block<W>(a, part.row, part.rows, b, part.column, part.columns, p.inner, in_place ? c : out,
             in_place ? p.c_pitch : block_pitch, p.add, scratch);
    if (!in_place)
      copy_block<W>(static_cast<const float*>(out), block_pitch, part.rows, part.columns, c, p.c_pitch);
  }

  // c[j][i] = out[i][j] for at most W x W elements.
  template <int W>
  VLM_INLINE static void turn_back(const float* out, float* c, Index c_pitch, Index columns, Index rows) {
    if (columns < W || rows < W) {
      for (Index j = 0; j < rows; ++j)
        for (Index i = 0; i < columns; ++i) c[j * c_pitch + i] = out[i * block_pitch + j];
      return;
    }
    Floats<W> square[W];
    load_turned<W>(square, out, block_pitch);
    VLM_UNROLL for (int j = 0; j < W; ++j) store<W>(c + j * c_pitch, square[j]);
  }
};

struct ProductPartKernel {
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
    if (p.rows <= few_rows || p.inner == 0)
      ProductKernel<Stored>::template few<W>(p, part, scratch);
    else
      ProductKernel<Stored>::template many<W>(p, part, scratch);
    ProductKernel<Stored>::template finish<W>(p, part);
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
  if (p.rows <= few_rows || p.inner == 0) {
    grid.rows = few_rows;
    grid.columns = few_columns(p);
  } else {
    const bool swapped = lanes_go_over_rows(p);
    Index& broadcasts = swapped ? grid.columns : grid.rows;
    Index& lanes = swapped ? grid.rows : grid.columns;
    const Index all_broadcasts = swapped ? p.columns : p.rows, all_lanes = swapped ? p.rows : p.columns;
    const auto even = [&](Index all, Index most, Index unit) {
      return std::min(rounded_up(count(all, count(all, most)), unit), most);
    };
    broadcasts = even(all_broadcasts, block_broadcasts, 12);
    lanes = even(all_lanes, block_lanes, panel_columns);
    while (threads > 1 && count(all_broadcasts, broadcasts) * count(all_lanes, lanes) < 3 * threads) {
      if (broadcasts > 48)
        broadcasts = rounded_up(broadcasts / 2, 12);
      else if (lanes > 64)
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
