// What the attention kernels are made of: products of small matrices, blocks of keys turned to columns, 2^x.
// An element of a product is one chain of fused multiply-adds over k in order, whatever else is computed
// beside it; this is why a row's bits hang on that row alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include <vlm/core/dtype.hpp>
#include <vlm/ops/cpu/bf16_pairs.hpp>
#include <vlm/ops/cpu/lanes.hpp>

namespace vlm::cpu::attention {

// Two numbers of k side by side, which are multiplied as a pair: where A has floats, it then has pairs in them.
struct Pair {
  bf16 first, second;
};
// The same two numbers, which are widened and multiplied one after the other: A has a float for each.
struct Joined {
  bf16 first, second;
};
// How many numbers of k an element of B is, and how many floats of A belong to it.
template <class B>
inline constexpr int numbers_in = std::is_same_v<B, Pair> || std::is_same_v<B, Joined> ? 2 : 1;
template <class B>
inline constexpr int floats_for = std::is_same_v<B, Joined> ? 2 : 1;

// Whether kernels of W lanes have products of pairs: not in clang++ builds (VLM_INLINE_AVX512).
#if defined(__x86_64__) && !defined(__clang__)
template <int W>
inline constexpr bool has_pairs = W == 16;
#else
template <int W>
inline constexpr bool has_pairs = false;
#endif
// Whether those of a level are there, and the processor has the instruction.
inline bool multiplies_pairs(IsaLevel level) {
  return has_pairs<16> && level == IsaLevel::Avx512 && has_bf16_products();
}

// C[i, j] += sum over k of A[i, k] B[k, j], or = where it does not add. B is read as it is stored.
template <class B>
struct ProductOf {
  const float* a;
  Index a_row, a_k;
  const B* b;
  Index b_pitch;
  float* c;
  Index c_pitch;
  Index k;
  bool add;
};
using Product = ProductOf<float>;

template <class Number, int W>
struct NumberTypes {
  typedef Number Numbers __attribute__((vector_size(W * sizeof(Number)), aligned(1), may_alias));
};
// Stored numbers as f32, which holds all of them exactly. Written out as
// instructions for g++, which widens 16 numbers in halves, or one by one.
template <int W>
VLM_INLINE void load_numbers(Floats<W>& lanes, const float* from) {
  load<W>(lanes, from);
}
// Both numbers of joined ones.
template <int W>
VLM_INLINE void load_joined(Floats<W>& first, Floats<W>& second, const Joined* from) {
  Unsigned<W> words;
  std::memcpy(&words, from, sizeof words);
  first = (Floats<W>)(words << 16);
  second = (Floats<W>)(words & 0xffff0000u);
}
template <int W>
VLM_INLINE void load_numbers(Floats<W>& lanes, const std::int8_t* from) {
  using Bytes = typename NumberTypes<std::int8_t, W>::Numbers;
  Integers<W> wide;
#if defined(__x86_64__) && !defined(__clang__)
  if constexpr (W == 16) {
    asm("vpmovsxbd %1, %0" : "=v"(wide) : "m"(*reinterpret_cast<const Bytes*>(from)));
  } else if constexpr (W == 8) {
    asm("vpmovsxbd %1, %0" : "=x"(wide) : "m"(*reinterpret_cast<const Bytes*>(from)));
  } else
#endif
  {
    Bytes bytes;
    std::memcpy(&bytes, from, sizeof bytes);
    wide = __builtin_convertvector(bytes, Integers<W>);
  }
  lanes = __builtin_convertvector(wide, Floats<W>);
}

// Rows of the largest tile that stays in registers, with two vectors of columns.
template <int W>
inline constexpr int tile_rows = W == 16 ? 12 : 6;

// Packed rows begin at odd multiples of a cache line, so that they do not fall on the same cache sets.
inline Index packed_pitch(Index columns) { return (columns + 15) / 16 / 2 * 32 + 16; }

// One step along k. RowMajor: k's of a row of A stand side by side, and `at` is an offset that is known when
// compiled; else it is 0, and so do the rows of a k. One pointer for every three rows keeps addresses in registers.
template <int W, int Rows, int Vectors, bool RowMajor, class B>
VLM_INLINE void multiply_numbers(Floats<W> (&sum)[Rows][Vectors], const float* const* a, Index a_row, int at,
                                 const B* b) {
  Floats<W> right[Vectors];
  VLM_UNROLL for (int v = 0; v < Vectors; ++v) load_numbers<W>(right[v], b + v * W);
  VLM_UNROLL for (int i = 0; i < Rows; ++i) {
    const float left = RowMajor ? a[i / 3][i % 3 * a_row + at] : a[0][i];
    VLM_UNROLL for (int v = 0; v < Vectors; ++v) sum[i][v] += left * right[v];
  }
}

// The same, also for pairs and joined numbers, the first of which comes first.
template <int W, int Rows, int Vectors, bool RowMajor, class B>
VLM_INLINE void multiply_step(Floats<W> (&sum)[Rows][Vectors], const float* const* a, Index a_row, int at,
                              const B* b) {
#if defined(__x86_64__)
  if constexpr (std::is_same_v<B, Pair>) {
    static_assert(has_pairs<W> && RowMajor);
    Integers<W> left, right[Vectors];
    VLM_UNROLL for (int v = 0; v < Vectors; ++v) std::memcpy(&right[v], b + v * W, sizeof right[v]);
    VLM_UNROLL for (int i = 0; i < Rows; ++i) {
      spread_pair(left, reinterpret_cast<const bf16*>(a[i / 3] + i % 3 * a_row + at));
      VLM_UNROLL for (int v = 0; v < Vectors; ++v) add_products(sum[i][v], left, right[v]);
    }
    return;
  } else
#endif
      if constexpr (std::is_same_v<B, Joined>) {
    static_assert(RowMajor);
    Floats<W> first[Vectors], second[Vectors];
    VLM_UNROLL for (int v = 0; v < Vectors; ++v) load_joined<W>(first[v], second[v], b + v * W);
    VLM_UNROLL for (int i = 0; i < Rows; ++i) {
      const float* left = a[i / 3] + i % 3 * a_row + at;
      VLM_UNROLL for (int v = 0; v < Vectors; ++v) sum[i][v] += left[0] * first[v];
      VLM_UNROLL for (int v = 0; v < Vectors; ++v) sum[i][v] += left[1] * second[v];
    }
  } else
    multiply_numbers<W, Rows, Vectors, RowMajor>(sum, a, a_row, at, b);
}
// Either a_k or a_row is 1. Steps are unrolled: additions of addresses compete with multiply-adds for ports.
template <int W, int Rows, int Vectors, bool RowMajor, class B>
VLM_INLINE void multiply_tile(const ProductOf<B>& p) {
  Floats<W> sum[Rows][Vectors];
  VLM_UNROLL for (int i = 0; i < Rows; ++i) VLM_UNROLL for (int v = 0; v < Vectors; ++v) {
    if (p.add)
      load<W>(sum[i][v], p.c + i * p.c_pitch + v * W);
    else
      sum[i][v] = Floats<W>{};
  }
  constexpr int groups = RowMajor ? (Rows + 2) / 3 : 1;
  constexpr int unrolled = 4, floats = floats_for<B>;
  const float* a[groups];
  VLM_UNROLL for (int group = 0; group < groups; ++group) a[group] = p.a + 3 * group * p.a_row;
  const B* b = p.b;
  const Index a_row = p.a_row, a_k = p.a_k, b_pitch = p.b_pitch;
  Index left = p.k;
  for (; left >= unrolled; left -= unrolled) {
    VLM_UNROLL for (int at = 0; at < unrolled; ++at) {
      multiply_step<W, Rows, Vectors, RowMajor>(sum, a, a_row, at * floats, b);
      b += b_pitch;
      if constexpr (!RowMajor) a[0] += a_k;
    }
    if constexpr (RowMajor)
      VLM_UNROLL for (int group = 0; group < groups; ++group) a[group] += unrolled * floats;
  }
  for (; left > 0; --left, b += b_pitch) {
    multiply_step<W, Rows, Vectors, RowMajor>(sum, a, a_row, 0, b);
    VLM_UNROLL for (int group = 0; group < groups; ++group) a[group] += a_k * floats;
  }
  VLM_UNROLL for (int i = 0; i < Rows; ++i) VLM_UNROLL for (int v = 0; v < Vectors; ++v)
      store<W>(p.c + i * p.c_pitch + v * W, sum[i][v]);
}

// All columns of a few rows: first tiles of many vectors, then of fewer.
template <int W, int Rows, int Vectors, bool RowMajor, class B>
VLM_INLINE void multiply_strip(ProductOf<B> p, Index columns) {
  for (; columns >= Vectors * W; columns -= Vectors * W, p.b += Vectors * W, p.c += Vectors * W)
    multiply_tile<W, Rows, Vectors, RowMajor>(p);
  if constexpr (Vectors > 1)
    multiply_strip<W, Rows, Vectors / 2, RowMajor>(p, columns);
  else if constexpr (W == 16 && !std::is_same_v<B, Pair>)
    if (columns > 0) multiply_tile<8, Rows, 1, RowMajor>(p);
}

// Any number of rows; columns a multiple of 8, or of 16 for pairs.
template <bool RowMajor, class B>
struct ProductKernel {
  template <int W>
  VLM_INLINE static void run(const ProductOf<B>* product, Index rows, Index columns) {
    ProductOf<B> p = *product;
    strips<W, tile_rows<W>, 2>(p, rows, columns);
    strips<W, 4, W == 16 ? 4 : 2>(p, rows, columns);
    strips<W, 2, W == 16 ? 8 : 4>(p, rows, columns);
    strips<W, 1, 8>(p, rows, columns);
  }
  template <int W, int Rows, int Vectors>
  VLM_INLINE static void strips(ProductOf<B>& p, Index& rows, Index columns) {
    for (; rows >= Rows; rows -= Rows, p.a += Rows * p.a_row, p.c += Rows * p.c_pitch)
      multiply_strip<W, Rows, Vectors, RowMajor>(p, columns);
  }
};

// The tiles are compiled once for each level; a_k is 1 where B is not f32.
template <int W, class B>
VLM_INLINE void multiply(const ProductOf<B>& product, Index rows, Index columns) {
  if constexpr (std::is_same_v<B, float>)
    if (product.a_k != 1) return call<W, ProductKernel<false, float>>(&product, rows, columns);
  call<W, ProductKernel<true, B>>(&product, rows, columns);
}

// Exchanges the lanes of a with bit Bit set and those of b with it clear.
template <int W, int Bit, int... Lanes>
VLM_INLINE void exchange(Floats<W>& a, Floats<W>& b, std::integer_sequence<int, Lanes...>) {
  const Floats<W> low = __builtin_shufflevector(a, b, ((Lanes & Bit) ? W + (Lanes ^ Bit) : Lanes)...);
  b = __builtin_shufflevector(a, b, ((Lanes & Bit) ? W + Lanes : (Lanes | Bit))...);
  a = low;
}
template <int W, int Bit>
VLM_INLINE void exchange_all(Floats<W>* rows) {
  VLM_UNROLL for (int i = 0; i < W; ++i) {
    if (!(i & Bit)) exchange<W, Bit>(rows[i], rows[i | Bit], std::make_integer_sequence<int, W>{});
  }
}
// to[j][i] = from[i][j] for W x W values.
template <int W>
VLM_INLINE void turn_square(const float* const* from, Index column, float* to, Index to_pitch) {
  Floats<W> rows[W];
  VLM_UNROLL for (int i = 0; i < W; ++i) load<W>(rows[i], from[i] + column);
  exchange_all<W, 1>(rows);
  exchange_all<W, 2>(rows);
  if constexpr (W > 4) exchange_all<W, 4>(rows);
  if constexpr (W > 8) exchange_all<W, 8>(rows);
  VLM_UNROLL for (int i = 0; i < W; ++i) store<W>(to + i * to_pitch, rows[i]);
}

// turned[j][row] = from[row][j]. Columns of `turned` after the last row, up to a multiple of W, repeat it.
struct TurnKernel {
  template <int W>
  VLM_INLINE static void run(const float* from, Index pitch, Index rows, Index columns, float* turned,
                             Index turned_pitch) {
    for (Index row = 0; row < rows; row += W) {
      const float* at[W];
      for (Index i = 0; i < W; ++i) at[i] = from + std::min(row + i, rows - 1) * pitch;
      Index j = 0;
      for (; j + W <= columns; j += W) turn_square<W>(at, j, turned + j * turned_pitch + row, turned_pitch);
      if constexpr (W == 16) {
        if (j < columns) {
          turn_square<8>(at, j, turned + j * turned_pitch + row, turned_pitch);
          turn_square<8>(at + 8, j, turned + j * turned_pitch + row + 8, turned_pitch);
        }
      }
    }
  }
};
template <int W>
VLM_INLINE void turn(const float* from, Index pitch, Index rows, Index columns, float* turned,
                     Index turned_pitch) {
  call<W, TurnKernel>(from, pitch, rows, columns, turned, turned_pitch);
}

// Asks for memory that is needed soon.
inline void prefetch_bytes(const void* from, std::size_t count) {
  for (std::size_t at = 0; at < count; at += 64)
    __builtin_prefetch(static_cast<const std::byte*>(from) + at, 0, 2);
}
// Rows of several heads lie apart, which no hardware foresees.
inline void prefetch_rows(const float* from, Index pitch, Index rows, Index columns) {
  for (Index row = 0; row < rows; ++row)
    for (Index j = 0; j < columns; j += 16) __builtin_prefetch(from + row * pitch + j, 0, 2);
}

// to = factor * from; then zeros up to a multiple of W.
template <int W>
VLM_INLINE void pack_row(const float* from, Index columns, float factor, float* to) {
  for (; columns >= W; columns -= W, from += W, to += W) {
    Floats<W> value;
    load<W>(value, from);
    value *= factor;
    store<W>(to, value);
  }
  if constexpr (W == 16)
    if (columns > 0) {
      pack_row<8>(from, 8, factor, to);
      const Floats<8> zeros{};
      store<8>(to + 8, zeros);
    }
}

// to = from, then zeros up to a multiple of W; columns are a multiple of 8.
template <int W, class B>
VLM_INLINE void widen_row(const B* from, Index columns, float* to) {
  for (; columns >= W; columns -= W, from += W, to += W) {
    Floats<W> value;
    load_numbers<W>(value, from);
    store<W>(to, value);
  }
  if constexpr (W == 16)
    if (columns > 0) {
      widen_row<8>(from, 8, to);
      const Floats<8> zeros{};
      store<8>(to + 8, zeros);
    }
}
// first, second = the numbers of each pair, then zeros up to a multiple of W; columns are a multiple of 8.
template <int W>
VLM_INLINE void split_row(const Joined* from, Index columns, float* first, float* second) {
  for (; columns >= W; columns -= W, from += W, first += W, second += W) {
    Floats<W> low, high;
    load_joined<W>(low, high, from);
    store<W>(first, low);
    store<W>(second, high);
  }
  if constexpr (W == 16)
    if (columns > 0) {
      split_row<8>(from, 8, first, second);
      const Floats<8> zeros{};
      store<8>(first + 8, zeros);
      store<8>(second + 8, zeros);
    }
}
// to = the first number of each pair, beside a zero.
template <int W, class B>
VLM_INLINE void first_of_row(const B* from, Index columns, float* to) {
  static_assert(numbers_in<B> == 2);
  for (Index i = 0; i < columns; ++i) {
    const B alone{from[i].first, bf16()};
    std::memcpy(to + i, &alone, sizeof alone);
  }
}
// to = factor * from in bf16, two of a row in each float; columns are a multiple of 8. `to` may be `from`.
template <int W>
VLM_INLINE void round_row(const float* from, Index columns, float factor, float* to) {
  for (; columns >= W; columns -= W, from += W, to += W / 2) {
    Floats<W> value;
    load<W>(value, from);
    value *= factor;
    store_bf16<W>(to, value);
  }
  if constexpr (W == 16)
    if (columns > 0) round_row<8>(from, columns, factor, to);
}
// to = pairs of two rows in bf16, or of one and zeros; then zeros up to a multiple of W. Columns are a multiple of 8.
template <int W>
VLM_INLINE void join_rows(const float* first, const float* second, Index columns, float* to) {
  Index j = 0;
  for (; j + W <= columns; j += W) {
    Floats<W> low, high{};
    load<W>(low, first + j);
    if (second) load<W>(high, second + j);
    Unsigned<W> low_bits, high_bits;
    bf16_bits<W>(low_bits, low);
    bf16_bits<W>(high_bits, high);
    store<W>(to + j, (Floats<W>)(low_bits | high_bits << 16));
  }
  if constexpr (W == 16)
    if (j < columns) {
      join_rows<8>(first + j, second ? second + j : nullptr, 8, to + j);
      const Floats<8> zeros{};
      store<8>(to + j + 8, zeros);
    }
}
// to *= factors.
template <int W>
VLM_INLINE void scale_row(float* to, const float* factors, Index columns) {
  for (Index j = 0; j < columns; j += W) {
    Floats<W> value, factor;
    load<W>(value, to + j);
    load<W>(factor, factors + j);
    value *= factor;
    store<W>(to + j, value);
  }
}

// to = factor * from, or added to what stands there.
template <int W>
VLM_INLINE void give_row(const float* from, Index columns, float factor, bool add, float* to) {
  for (; columns >= W; columns -= W, from += W, to += W) {
    Floats<W> value, old{};
    load<W>(value, from);
    if (add) load<W>(old, to);
    value = value * factor + old;
    store<W>(to, value);
  }
  if constexpr (W == 16)
    if (columns > 0) give_row<8>(from, columns, factor, add, to);
}

template <int W, int Step, int... Lanes>
VLM_INLINE void larger_of_lanes(Floats<W>& lanes, std::integer_sequence<int, Lanes...>) {
  const Floats<W> other = __builtin_shufflevector(lanes, lanes, (Lanes ^ Step)...);
  lanes = lanes < other ? other : lanes;
}
template <int W>
VLM_INLINE float largest_lane(const Floats<W>& values) {
  Floats<W> lanes = values;
  constexpr std::make_integer_sequence<int, W> all{};
  if constexpr (W > 8) larger_of_lanes<W, 8>(lanes, all);
  if constexpr (W > 4) larger_of_lanes<W, 4>(lanes, all);
  larger_of_lanes<W, 2>(lanes, all);
  larger_of_lanes<W, 1>(lanes, all);
  return lanes[0];
}

inline constexpr float log_of_2 = 0.693147181f;
inline constexpr float masked_score = -1e30f;

// Lanes from `count` on become `value`.
template <int W>
VLM_INLINE void mask_from(Floats<W>& lanes, Index count, float value) {
  static constexpr std::int32_t lane_numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  Integers<W> lane;
  std::memcpy(&lane, lane_numbers, sizeof lane);
  const Floats<W> other = value - Floats<W>{};
  lanes = lane < static_cast<std::int32_t>(count) ? lanes : other;
}

}  // namespace vlm::cpu::attention
