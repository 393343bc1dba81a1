// CellPages<Device>: the cells of a key/value cache in pages. A cell holds the key and the value of one token in every
// block of the decoder; a page holds `cells` neighbouring cells of a sequence:
//   keys of block 0 [cells, features], values of block 0, keys of block 1, ...     features = kv_heads * head_dim
// Sequences that begin alike can share pages.
#pragma once

#include <cstddef>
#include <cstdint>

#include <vlm/core/dtype.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

// How keys and values are stored.
enum class CellFormat : std::uint8_t { F32, BF16 };

constexpr std::size_t size_of(CellFormat format) { return format == CellFormat::BF16 ? 2 : 4; }

template <class Device>
struct CellPages {
  static constexpr Index cells = 64;  // of a page

  View<std::byte* const, 1, Device> table{};    // the pages of all sequences, in order; empty: there are none
  View<const std::int32_t, 1, Device> first{};  // [sequences], where the pages of each begin in the table
  View<const std::int32_t, 1, Device>
      places{};  // [rows], the cell of each row of a pass: cells * entry + cell in it
  CellFormat format = CellFormat::F32;
  Index features = 0;

  explicit operator bool() const { return static_cast<bool>(table); }
  // Of one block, keys or values, in a page.
  std::size_t part_bytes() const { return static_cast<std::size_t>(cells * features) * size_of(format); }
  // Where the keys or the values of a block begin in a page.
  std::size_t offset(Index block, bool values) const {
    return (2 * static_cast<std::size_t>(block) + (values ? 1 : 0)) * part_bytes();
  }
  std::size_t page_bytes(Index blocks) const { return offset(blocks, false); }
};

}  // namespace vlm
