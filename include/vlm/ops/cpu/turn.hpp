// Turning blocks of a matrix in registers, and copying them: how operands are brought into the order that the
// tile kernel reads. bf16 is widened to f32 on the way.
#pragma once

#include <utility>

#include <vlm/core/dtype.hpp>
#include <vlm/ops/cpu/lanes.hpp>

namespace vlm::cpu {

namespace detail {

// Lane i of the result is lane `order(i)` of a and b, counted on through both.
template <int W, class Order, int... Lanes>
VLM_INLINE void shuffle_lanes(Floats<W>& to, const Floats<W>& a, const Floats<W>& b,
                              std::integer_sequence<int, Lanes...>) {
  to = __builtin_shufflevector(a, b, Order::at(Lanes)...);
}
template <int W, class Order>
VLM_INLINE void shuffle(Floats<W>& to, const Floats<W>& a, const Floats<W>& b) {
  shuffle_lanes<W, Order>(to, a, b, std::make_integer_sequence<int, W>());
}

// Interleaves units of `Unit` lanes, from the lower or the upper half of every four lanes.
template <int W, int Unit, bool Upper>
struct Interleave {
  static constexpr int at(int i) {
    const int group = i / 4 * 4, unit = i % 4 / Unit, inside = i % Unit;
    return group + (Upper ? 2 : 0) + unit / 2 * Unit + inside + (unit % 2 ? W : 0);
  }
};
template <int W, int... Lanes>
VLM_INLINE void join(Floats<W>& to, const Floats<W / 2>& lower, const Floats<W / 2>& upper,
                     std::integer_sequence<int, Lanes...>) {
  to = __builtin_shufflevector(lower, upper, Lanes...);
}

template <int W>
VLM_INLINE void turn_quads(const Floats<W>& a, const Floats<W>& b, const Floats<W>& c, const Floats<W>& d,
                           Floats<W>* to) {
  Floats<W> ab_lower, ab_upper, cd_lower, cd_upper;
  shuffle<W, Interleave<W, 1, false>>(ab_lower, a, b);
  shuffle<W, Interleave<W, 1, true>>(ab_upper, a, b);
  shuffle<W, Interleave<W, 1, false>>(cd_lower, c, d);
  shuffle<W, Interleave<W, 1, true>>(cd_upper, c, d);
  shuffle<W, Interleave<W, 2, false>>(to[0], ab_lower, cd_lower);
  shuffle<W, Interleave<W, 2, true>>(to[1], ab_lower, cd_lower);
  shuffle<W, Interleave<W, 2, false>>(to[2], ab_upper, cd_upper);
  shuffle<W, Interleave<W, 2, true>>(to[3], ab_upper, cd_upper);
}

struct [[gnu::may_alias]] Quad {
  char bytes[16];
};

// Four lanes of each row in a group: rows r, r + 4, ... of W in all.
template <int W, class Stored>
VLM_INLINE void load_quads(Floats<W>& lanes, const Stored* from, Index pitch) {
  if constexpr (W == 4) {
    std::memcpy(&lanes, from, sizeof lanes);
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
  } else if constexpr (W == 16) {
    // Spelled out, since g++ turns insertions from memory into shuffles of registers, which one port alone does.
    Floats<W> four;
    asm("vmovups %1, %x0" : "=v"(four) : "m"(*reinterpret_cast<const Quad*>(from)));
    asm("vinsertf32x4 $1, %1, %0, %0" : "+v"(four) : "m"(*reinterpret_cast<const Quad*>(from + 4 * pitch)));
    asm("vinsertf32x4 $2, %1, %0, %0" : "+v"(four) : "m"(*reinterpret_cast<const Quad*>(from + 8 * pitch)));
    asm("vinsertf32x4 $3, %1, %0, %0" : "+v"(four) : "m"(*reinterpret_cast<const Quad*>(from + 12 * pitch)));
    lanes = four;
#endif
  } else {
    Floats<W / 2> lower, upper;
    load_quads<W / 2>(lower, from, pitch);
    load_quads<W / 2>(upper, from + W / 2 * pitch, pitch);
    join<W>(lanes, lower, upper, std::make_integer_sequence<int, W>());
  }
}

}  // namespace detail

// lanes[j][i] = from[i][j], W x W units of 32 bits (two neighbours of bf16). The loads do half of the turning.
template <int W, class Stored>
VLM_INLINE void load_turned(Floats<W> (&lanes)[W], const Stored* from, Index pitch) {
  constexpr Index unit = sizeof(Stored) == 2 ? 2 : 1;  // elements in 32 bits
  VLM_UNROLL for (int j = 0; j < W; j += 4) {
    Floats<W> quads[4];
    VLM_UNROLL for (int r = 0; r < 4; ++r)
        detail::load_quads<W>(quads[r], from + r * pitch + j * unit, pitch);
    detail::turn_quads<W>(quads[0], quads[1], quads[2], quads[3], lanes + j);
  }
}

VLM_INLINE float widen(float value) { return value; }
VLM_INLINE float widen(bf16 value) {
  const std::uint32_t bits = static_cast<std::uint32_t>(value.bits) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}

template <int W>
struct WordTypes {
  typedef std::uint16_t Halfwords __attribute__((vector_size(W * sizeof(std::uint16_t))));
  typedef std::uint32_t Words __attribute__((vector_size(W * sizeof(std::uint32_t))));
};

// W stored values, as f32.
template <int W>
VLM_INLINE void load_wide(Floats<W>& lanes, const float* from) {
  load<W>(lanes, from);
}
template <int W>
VLM_INLINE void load_wide(Floats<W>& lanes, const bf16* from) {
  using Words = typename WordTypes<W>::Words;
  typename WordTypes<W>::Halfwords stored;
  std::memcpy(&stored, from, sizeof stored);
  lanes = (Floats<W>)(__builtin_convertvector(stored, Words) << 16);
}

// to[i][j] = from[i][j], rows x columns.
template <int W, class Stored>
VLM_INLINE void copy_block(const Stored* from, Index pitch, Index rows, Index columns, float* to,
                           Index to_pitch) {
  for (Index i = 0; i < rows; ++i, from += pitch, to += to_pitch) {
    Floats<W> lanes;
    Index j = 0;
    for (; j + W <= columns; j += W) {
      __builtin_prefetch(from + 12 * pitch + j);
      load_wide<W>(lanes, from + j);
      store<W>(to + j, lanes);
    }
    for (; j < columns; ++j) to[j] = widen(from[j]);
  }
}

// to[j][i] = from[i][j] for W rows, of which `valid` exist (the others are zero), and all columns. Each row's next
// `ahead` columns are on their way meanwhile.
template <int W, class Stored>
VLM_INLINE void turn_rows(const Stored* from, Index pitch, Index valid, Index columns, float* to,
                          Index to_pitch, Index ahead) {
  constexpr Index step = sizeof(Stored) == 2 ? 2 * W : W;  // columns that one vector of stored bits holds
  Index j = 0;
  Floats<W> block[W];
  for (; valid >= W && j + step <= columns; j += step) {
    Index row = pitch;
    asm("" : "+r"(row));  // addresses of rows are computed here rather than kept on the stack
    const Stored* next = from + j + ahead;
    VLM_UNROLL for (int i = 0; i < W; ++i, next += row) __builtin_prefetch(next);
    load_turned<W>(block, from + j, row);
    VLM_UNROLL for (int i = 0; i < W; ++i) {
      if constexpr (sizeof(Stored) == 2) {  // each lane holds two neighbours, the first in its lower half
        const Floats<W> first = (Floats<W>)((Integers<W>)block[i] << 16);
        const Floats<W> second = (Floats<W>)((Integers<W>)block[i] & ~0xffff);
        store<W>(to + (j + 2 * i) * to_pitch, first);
        store<W>(to + (j + 2 * i + 1) * to_pitch, second);
      } else {
        store<W>(to + (j + i) * to_pitch, block[i]);
      }
    }
  }
  for (; j < columns; ++j)
    for (int i = 0; i < W; ++i) to[j * to_pitch + i] = i < valid ? widen(from[i * pitch + j]) : 0.0f;
}

}  // namespace vlm::cpu
