// CellPages<Device>: the cells of a key/value cache in pages. A cell holds the key and the value of one token in every
// block of the decoder; a page holds `cells` neighbouring cells of a sequence, for each block and key head a part
//   keys [head_dim, cells], values [cells, head_dim]
// as products read them: scores are summed for all keys of a page at once, values one key after the other. In bf16 two
// numbers of a sum stand side by side, for products of pairs:
//   keys [head_dim / 2, cells, 2], values [cells / 2, head_dim, 2]
// In int8 the numbers of a key or value of one head share a scale, and stand for n * scale; the scales [cells], f32,
// follow theirs. Sequences that begin alike can share pages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <vlm/core/dtype.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

// How keys and values are stored. I8 rounds to 1/254 of the largest of a head's numbers at most.
enum class CellFormat : std::uint8_t { F32, BF16, I8 };

// Bytes of a number; in int8 without its part of the scale.
constexpr std::size_t size_of(CellFormat format) {
  return format == CellFormat::F32 ? 4 : format == CellFormat::BF16 ? 2 : 1;
}
constexpr std::string_view name_of(CellFormat format) {
  return format == CellFormat::F32 ? "f32" : format == CellFormat::BF16 ? "bf16" : "int8";
}

template <class Device>
struct CellPages {
  static constexpr Index cells = 64;  // of a page

  View<std::byte* const, 1, Device> table{};    // the pages of all sequences, in order; empty: there are none
  View<const std::int32_t, 1, Device> first{};  // [sequences], where the pages of each begin in the table
  View<const std::int32_t, 1, Device>
      places{};  // [rows], the cell of each row of a pass: cells * entry + cell in it
  CellFormat format = CellFormat::F32;
  Index heads = 0, head_dim = 0;  // of keys

  explicit operator bool() const { return static_cast<bool>(table); }
  // Where the scales stand behind the numbers that they are for.
  std::size_t scales_offset() const { return static_cast<std::size_t>(cells * head_dim) * size_of(format); }
  // Of the keys, or the values, of one head and block in a page.
  std::size_t part_bytes() const {
    return scales_offset() + (format == CellFormat::I8 ? static_cast<std::size_t>(cells) * sizeof(float) : 0);
  }
  // Where the keys or the values of a head of a block begin in a page.
  std::size_t offset(Index block, Index head, bool values) const {
    return (2 * static_cast<std::size_t>(block * heads + head) + (values ? 1 : 0)) * part_bytes();
  }
  std::size_t page_bytes(Index blocks) const { return offset(blocks, 0, false); }
};

}  // namespace vlm
