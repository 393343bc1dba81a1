// Tiles of products with weight blocks where the processor multiplies bytes (AVX-512 VNNI): the sums of
// block_tile.hpp, four inputs of 16 outputs in one instruction.
#pragma once

#include <utility>

#include <vlm/ops/cpu/block_tile.hpp>

namespace vlm::cpu {

#if defined(__x86_64__)
#define VLM_TARGET_VNNI \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma"), always_inline)) inline

inline bool has_vnni() {
  static const bool has = __builtin_cpu_supports("avx512vnni");
  return has;
}

// What the sums of four blocks of a panel are multiplied by.
template <DType Format>
struct FourBlockScales : BlockScales<Format, 16> {
  VLM_INLINE FourBlockScales(const std::byte* panel, Index inputs)
      : BlockScales<Format, 16>(panel, inputs, 0) {}
  VLM_INLINE void unpack(Index) {}
};
// Unpacked to bytes, which takes a few instructions for four blocks: s, and 4 t.
template <>
struct FourBlockScales<DType::I4Blocks> : BlockScales<DType::I4Blocks, 16> {
  alignas(64) std::byte of_four[2][64];  // scales, minima

  VLM_INLINE FourBlockScales(const std::byte* panel, Index inputs) : BlockScales(panel, inputs, 0) {}
  VLM_TARGET_VNNI void unpack(Index block) {
    typedef std::uint64_t Words __attribute__((vector_size(64)));
    const std::byte* upper = minima + Panel::minima_place(block);
    Words both, rests;
    std::memcpy(&both, scales + block * panel_outputs, 64);
    std::memcpy(&rests, upper, 32);
    std::memcpy(reinterpret_cast<std::byte*>(&rests) + 32, upper, 32);
    const Words low = both & 0x3f3f3f3f3f3f3f3f,
                high = (rests << Words{4, 4, 4, 4} & 0xf0f0f0f0f0f0f0f0) | (both >> 4 & 0x0c0c0c0c0c0c0c0c);
    std::memcpy(of_four[0], &low, 64);
    std::memcpy(of_four[1], &high, 64);
  }
  // `minimum` is negative.
  VLM_TARGET_VNNI void at(Index block, Floats<16>& scale, Floats<16>& minimum) const {
    Integers<16> numbers;
    widen_bytes<16>(numbers, of_four[0] + block % 4 * panel_outputs);
    scale = row_scale * __builtin_convertvector(numbers, Floats<16>);
    widen_bytes<16>(numbers, of_four[1] + block % 4 * panel_outputs);
    minimum = row_minimum * __builtin_convertvector(numbers, Floats<16>);
  }
};

// Six rows of two panels: 24 sums, the weights and one broadcast stay in registers. One row reads four panels at once, each
// from line to line, which the processor foresees: memory is kept busy by as many streams, and by nothing asked for ahead.
struct VnniBlockTile {
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma"))) static void run(
      const BlockTile& tile, Index rows, DType format) {
    format == DType::I8Blocks ? run_as<DType::I8Blocks>(tile, rows) : run_as<DType::I4Blocks>(tile, rows);
  }

 private:
  template <DType Format>
  VLM_TARGET_VNNI static void run_as(BlockTile t, Index rows) {
    if (rows == 1)
      for (; t.columns > 3 * panel_outputs; t.next_panels(4)) compute<Format, 4, 1>(t);
    for (; t.columns > panel_outputs; t.next_panels(2)) all_rows<Format, 2>(t, rows);
    if (t.columns > 0) all_rows<Format, 1>(t, rows);
  }
  template <DType Format, int Panels>
  VLM_TARGET_VNNI static void all_rows(BlockTile t, Index rows) {
    for (; rows >= together_rows; rows -= together_rows, t.next_rows(together_rows))
      compute<Format, Panels, together_rows>(t);
    if (rows == 1) compute<Format, Panels, 1>(t);
    if (rows == 2) compute<Format, Panels, 2>(t);
    if (rows == 3) compute<Format, Panels, 3>(t);
    if (rows == 4) compute<Format, Panels, 4>(t);
    if (rows == 5) compute<Format, Panels, 5>(t);
  }

  // sum[16] += the four products in each lane: left unsigned, right signed.
  VLM_TARGET_VNNI static void dot(Integers<16>& sum, const Integers<16>& left, const Integers<16>& right) {
#if defined(__clang__)
    sum = (Integers<16>)__builtin_ia32_vpdpbusd512(sum, left, right);
#else
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(left), "v"(right));
#endif
  }

  template <DType Format, int Panels>
  struct PanelScales {
    FourBlockScales<Format> of[Panels];
    VLM_INLINE explicit PanelScales(const BlockTile& t)
        : PanelScales(t, std::make_integer_sequence<int, Panels>{}) {}
    template <int... Panel>
    VLM_INLINE PanelScales(const BlockTile& t, std::integer_sequence<int, Panel...>)
        : of{{t.panel + Panel * t.panel_pitch, t.inputs}...} {}
  };

  template <DType Format, int Panels, int Rows>
  VLM_TARGET_VNNI static void compute(const BlockTile& t) {
    constexpr int W = 16;
    const Index blocks = blocks_of(t.inputs), pitch = t.panel_pitch;
    PanelScales<Format, Panels> scales(t);
    const std::byte *values = t.panel, *group = t.group, *next = t.next;
    Floats<W> sum[Panels][Rows];
    VLM_UNROLL for (int p = 0; p < Panels; ++p) VLM_UNROLL for (int i = 0; i < Rows; ++i) sum[p][i] =
        Floats<W>{};
    for (Index block = 0; block < blocks; ++block) {
      if (block % 4 == 0) VLM_UNROLL for (int p = 0; p < Panels; ++p) scales.of[p].unpack(block);
      const GroupBlock<const std::byte> a(group, Rows);
      if constexpr (Rows == together_rows) {  // fetches the panels after these
        for (Index line = 0; line < t.next_lines; ++line) __builtin_prefetch(next + 64 * line, 0, 2);
        next += 64 * t.next_lines;
      }
      Integers<W> inner[Panels][Rows];
      VLM_UNROLL for (int i = 0; i < Rows; ++i) {
        inner[0][i] = Integers<W>{};
        if constexpr (Format == DType::I8Blocks) spread(inner[0][i], a.starts + 4 * i);
        VLM_UNROLL for (int p = 1; p < Panels; ++p) inner[p][i] = inner[0][i];
      }
      if constexpr (Format == DType::I8Blocks) {
        VLM_UNROLL for (int line = 0; line < 8; ++line) {
          Integers<W> left[Panels];
          VLM_UNROLL for (int p = 0; p < Panels; ++p)
              std::memcpy(&left[p], values + p * pitch + 64 * line, 64);
          dot_rows<Panels, Rows>(inner, left, a.values + 4 * line * Rows);
        }
      } else {
        dot_nibbles<Panels, Rows>(inner, values, pitch, a.values);
      }
      values += value_bytes(Format);
      VLM_UNROLL for (int p = 0; p < Panels; ++p) {
        Floats<W> scale, minimum;
        scales.of[p].at(block, scale, minimum);
        VLM_UNROLL for (int i = 0; i < Rows; ++i) BlockTileKernel::add_block<W, Format>(
            a, i, __builtin_convertvector(inner[p][i], Floats<W>), scale, minimum, sum[p][i]);
      }
      group += Rows * BlockRows::block_bytes;
    }
    VLM_UNROLL for (int p = 0; p < Panels; ++p) VLM_UNROLL for (int i = 0; i < Rows; ++i)
        keep(t.c + i * t.c_pitch + p * W, sum[p][i], t.columns - p * W);
  }
  // Upper nibbles are multiplied where they are: by 16 too large, which their sums lose in the end. Where no registers are
  // left for sums of their own the nibbles go down first.
  template <int Panels, int Rows>
  VLM_TARGET_VNNI static void dot_nibbles(Integers<16> (&inner)[Panels][Rows], const std::byte* values,
                                          Index pitch, const std::byte* a) {
    constexpr bool apart = Rows <= 2;
    Integers<16> upper[Panels][Rows];
    if constexpr (apart)
      VLM_UNROLL for (int p = 0; p < Panels; ++p) VLM_UNROLL for (int i = 0; i < Rows; ++i) upper[p][i] =
          Integers<16>{};
    VLM_UNROLL for (int line = 0; line < 4; ++line) {
      Integers<16> left[Panels], both[Panels];
      VLM_UNROLL for (int p = 0; p < Panels; ++p) std::memcpy(&both[p], values + p * pitch + 64 * line, 64);
      VLM_UNROLL for (int p = 0; p < Panels; ++p) left[p] = both[p] & 0x0f0f0f0f;
      dot_rows<Panels, Rows>(inner, left, a + 8 * line * Rows);
      if constexpr (apart) {
        VLM_UNROLL for (int p = 0; p < Panels; ++p) left[p] = both[p] & static_cast<int>(0xf0f0f0f0);
        dot_rows<Panels, Rows>(upper, left, a + (8 * line + 4) * Rows);
      } else {
        VLM_UNROLL for (int p = 0; p < Panels; ++p) left[p] = both[p] >> 4 & 0x0f0f0f0f;
        dot_rows<Panels, Rows>(inner, left, a + (8 * line + 4) * Rows);
      }
    }
    if constexpr (apart)
      VLM_UNROLL for (int p = 0; p < Panels; ++p) VLM_UNROLL for (int i = 0; i < Rows; ++i) inner[p][i] +=
          upper[p][i] >> 4;
  }
  template <int Panels, int Rows>
  VLM_TARGET_VNNI static void dot_rows(Integers<16> (&inner)[Panels][Rows],
                                       const Integers<16> (&left)[Panels], const std::byte* a) {
    VLM_UNROLL for (int i = 0; i < Rows; ++i) {
      Integers<16> right;
      spread(right, a + 4 * i);
      VLM_UNROLL for (int p = 0; p < Panels; ++p) dot(inner[p][i], left[p], right);
    }
  }
  // Four bytes in every lane.
  VLM_TARGET_VNNI static void spread(Integers<16>& lanes, const std::byte* from) {
    std::int32_t word;
    std::memcpy(&word, from, sizeof word);
    lanes = word - Integers<16>{};
  }
  // What C has of a panel.
  VLM_TARGET_VNNI static void keep(float* c, const Floats<16>& lanes, Index columns) {
    if (columns >= panel_outputs) return store<16>(c, lanes);
    float all[panel_outputs];
    store<16>(all, lanes);
    std::memcpy(c, all, static_cast<std::size_t>(columns) * sizeof(float));
  }
};
#endif

}  // namespace vlm::cpu
