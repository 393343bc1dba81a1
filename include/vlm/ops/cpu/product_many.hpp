// Products of many rows, which are bound by multiply-adds: blocks are packed for the second cache, tiles of C stay in
// registers. Lanes go over the columns of C or, where both operands lie along k and rows are the smaller side, over rows.
#pragma once

#include <algorithm>
#include <type_traits>

#include <vlm/ops/cpu/product_operands.hpp>
#include <vlm/ops/cpu/tile.hpp>
#include <vlm/ops/cpu/turn.hpp>

namespace vlm::cpu {

inline constexpr Index panel_columns = 64;  // lanes of a packed panel
inline constexpr Index block_lanes = 256, block_depth = 512;
inline constexpr Index packed_lane_floats = block_lanes * block_depth;
inline constexpr Index most_lanes = 1024;  // where k is short, longer rows of C are swept
inline constexpr Index most_items = 1008;  // so many broadcast items share the packed lanes
inline constexpr Index group_items = 96;   // so many are copied together
inline constexpr Index group_pitch = group_items + 16, depth_pitch = block_depth + 16;
inline constexpr Index packed_group_floats = std::max(group_items * depth_pitch, group_pitch* block_depth);
inline constexpr Index turned_floats = 64 * 1024;  // a block of C that is turned at its end
inline constexpr std::size_t product_scratch_floats =
    static_cast<std::size_t>(packed_lane_floats + packed_group_floats + turned_floats);

// Where both operands lie along k one of them is turned: the smaller one.
inline bool lanes_go_over_rows(const ProductOperands& p) {
  return p.a_k == 1 && p.b_k == 1 && !p.add && p.rows < 256;
}

// Where the chains of a block [broadcast items][lanes] start (none: at zero) and end.
struct BlockChains {
  const float* start = nullptr;
  float* end = nullptr;
  Index pitch = 0;
};

// Rows of memory that are read soon, brought into the second cache a few lines at a time.
struct Upcoming {
  const char* row = nullptr;
  Index pitch = 0, rows = 0, bytes = 0, at = 0;

  Upcoming() = default;
  template <class Element>
  Upcoming(const Element* first, Index row_pitch, Index row_count, Index columns)
      : row(reinterpret_cast<const char*>(first)),
        pitch(row_pitch * static_cast<Index>(sizeof(Element))),
        rows(row_count),
        bytes(columns * static_cast<Index>(sizeof(Element))) {}
  Index lines() const { return rows * ((bytes + 63) / 64); }
  void fetch(Index count) {
    for (; count > 0 && rows > 0; --count) {
      __builtin_prefetch(row + at, 0, 2);
      at += 64;
      if (at < bytes) continue;
      at = 0;
      row += pitch;
      --rows;
    }
  }
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
struct ManyRowsProduct {
  // Panels of lanes, one after the other, each packed[k][lane] with room for `room` k; the last is filled with zeros.
  template <int W, class Element>
  VLM_INLINE static void pack_lanes(const ProductSide<Element>& side, Index first, Index lanes, Index k0,
                                    Index depth, Index room, float* packed) {
    if (side.item == 1) {  // along the lanes, as they lie in memory
      for (Index k = 0; k < depth; ++k)
        for (Index lane = 0; lane < lanes; lane += panel_columns) {
          float* to = packed + lane * room + k * panel_columns;
          const Index filled = std::min(panel_columns, lanes - lane);
          copy_block<W>(side.at(first + lane, k0 + k), side.k, Index{1}, filled, to, panel_columns);
          for (Index j = filled; j < panel_columns; ++j) to[j] = 0;
        }
      return;
    }
    for (Index lane = 0; lane < lanes; lane += panel_columns)
      for (Index j = 0; j < panel_columns; j += W)
        turn_rows<W>(side.at(first + std::min(lane + j, lanes - 1), k0), side.item, lanes - lane - j, depth,
                     packed + lane * room + j, panel_columns, room);
  }

  // Broadcast elements of one side, which are read where they lie if that is along k and in f32, against packed lanes
  // of the other.
  template <int W, class Broadcast, class Lane>
  VLM_INLINE static void block(const ProductSide<Broadcast>& left, Index first, Index items,
                               const ProductSide<Lane>& right, Index first_lane, Index lanes, Index inner,
                               BlockChains chains, float* scratch) {
    float* packed_lanes = scratch;
    float* packed_group = packed_lanes + packed_lane_floats;
    const bool along = left.k == 1;
    // Where items are few, reading decides: of shorter slices more is fetched ahead.
    const Index most_depth = items <= 128 ? block_depth / 2 : block_depth;
    const Index slices = (inner + most_depth - 1) / most_depth;
    const Index even_depth = rounded_up((inner + slices - 1) / slices, 16);
    for (Index k0 = 0; k0 < inner; k0 += even_depth, chains.start = chains.end) {
      const Index depth = std::min(even_depth, inner - k0);
      pack_lanes<W>(right, first_lane, lanes, k0, depth, even_depth, packed_lanes);
      Upcoming next;
      if (const Index k1 = k0 + depth; k1 < inner)
        next = right.k == 1
                   ? Upcoming(right.at(first_lane, k1), right.item, lanes, std::min(even_depth, inner - k1))
                   : Upcoming(right.at(first_lane, k1), right.k, std::min(even_depth, inner - k1), lanes);
      const Index share = (next.lines() * tile_rows + items - 1) / items;
      for (Index done = 0; done < items; done += group_items) {
        const Index count = std::min(group_items, items - done);
        const Broadcast* from = left.at(first + done, k0);
        TileOperands t{.a = packed_group,
                       .a_row = along ? depth_pitch : 1,
                       .a_k = along ? 1 : group_pitch,
                       .b = packed_lanes,
                       .b_pitch = panel_columns,
                       .from = chains.start ? chains.start + done * chains.pitch : nullptr,
                       .from_pitch = chains.pitch,
                       .c = chains.end + done * chains.pitch,
                       .c_pitch = chains.pitch,
                       .k = depth};
        if constexpr (std::is_same_v<Broadcast, float>)
          if (along) t.a = from, t.a_row = left.item;
        if (t.a == packed_group)
          copy_block<W>(from, along ? left.item : left.k, along ? count : depth, along ? depth : count,
                        packed_group, along ? depth_pitch : group_pitch);
        group<W>(t, count, lanes, even_depth * panel_columns, next, share);
      }
    }
  }

  // A few tiles of rows against all panels; what the next tile reads is on its way meanwhile.
  template <int W>
  VLM_INLINE static void group(TileOperands t, Index count, Index lanes, Index panel, Upcoming& next,
                               Index share) {
    for (; count > 0; count -= tile_rows) {
      const Index rows = std::min<Index>(tile_rows, count);
      TileOperands tile = t;
      t.a += tile_rows * t.a_row;
      t.c += tile_rows * t.c_pitch;
      if (t.from) t.from += tile_rows * t.from_pitch;
      next.fetch(share);
      for (Index lane = 0; lane < lanes; lane += panel_columns) {
        if (t.a_k == 1)
          fetch<0>(t.a, t.a_row, t.k * lane / lanes, t.k * std::min(lane + panel_columns, lanes) / lanes);
        fetch<1>(t.c, t.c_pitch, lane, lane + panel_columns);
        multiply_tile<W>(tile, rows, std::min(panel_columns, rounded_up(lanes - lane, 16)));
        tile.b += panel;
        tile.c += panel_columns;
        if (tile.from) tile.from += panel_columns;
      }
    }
  }
  // The columns [first, last) of the next tile.
  template <int Write>
  VLM_INLINE static void fetch(const float* from, Index pitch, Index first, Index last) {
    for (Index i = 0; i < tile_rows; ++i)
      for (Index at = first; at < last; at += 16) __builtin_prefetch(from + i * pitch + at, Write, 3);
  }

  template <int W>
  VLM_INLINE static void run(const ProductOperands& p, const ProductPart& part, float* scratch) {
    const ProductSide<float> a{p.a, p.a_row, p.a_k};
    const ProductSide<Stored> b{static_cast<const Stored*>(p.b), p.b_column, p.b_k};
    float* turned = scratch + packed_lane_floats + packed_group_floats;
    float* c = p.c + part.row * p.c_pitch + part.column;
    if (lanes_go_over_rows(p)) {
      const Index pitch = rounded_up(part.rows, panel_columns);
      block<W>(b, part.column, part.columns, a, part.row, part.rows, p.inner, {.end = turned, .pitch = pitch},
               scratch);
      for (Index i = 0; i < part.columns; i += W)  // out[column][row] goes back turned
        for (Index j = 0; j < part.rows; j += W)
          turn_back<W>(turned + i * pitch + j, pitch, c + j * p.c_pitch + i, p.c_pitch,
                       std::min<Index>(W, part.columns - i), std::min<Index>(W, part.rows - j));
      return;
    }
    const Index whole = part.columns / 16 * 16;  // lanes past the last column must not be written
    if (whole > 0)
      block<W>(a, part.row, part.rows, b, part.column, whole, p.inner,
               {.start = p.add ? c : nullptr, .end = c, .pitch = p.c_pitch}, scratch);
    if (whole == part.columns) return;
    const Index rest = part.columns - whole, pitch = 16;
    if (p.add) copy_block<W>(static_cast<const float*>(c) + whole, p.c_pitch, part.rows, rest, turned, pitch);
    block<W>(a, part.row, part.rows, b, part.column + whole, rest, p.inner,
             {.start = p.add ? turned : nullptr, .end = turned, .pitch = pitch}, scratch);
    copy_block<W>(static_cast<const float*>(turned), pitch, part.rows, rest, c + whole, p.c_pitch);
  }

  // c[j][i] = out[i][j] for at most W x W elements.
  template <int W>
  VLM_INLINE static void turn_back(const float* out, Index out_pitch, float* c, Index c_pitch, Index columns,
                                   Index rows) {
    if (columns < W || rows < W) {
      for (Index j = 0; j < rows; ++j)
        for (Index i = 0; i < columns; ++i) c[j * c_pitch + i] = out[i * out_pitch + j];
      return;
    }
    Floats<W> square[W];
    load_turned<W>(square, out, out_pitch);
    VLM_UNROLL for (int j = 0; j < W; ++j) store<W>(c + j * c_pitch, square[j]);
  }
};

}  // namespace vlm::cpu
