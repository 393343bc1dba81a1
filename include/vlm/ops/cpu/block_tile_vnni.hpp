// Tiles of products with weight blocks where the processor multiplies bytes (AVX-512 VNNI): the sums of
// block_tile.hpp, four inputs of 16 outputs in one instruction.
#pragma once

#include <vlm/ops/cpu/block_tile.hpp>

namespace vlm::cpu {

#if defined(__x86_64__)
#define VLM_TARGET_VNNI \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma"), always_inline)) inline

inline bool has_vnni() {
  static const bool has = __builtin_cpu_supports("avx512vnni");
  return has;
}

struct VnniBlockTile {
  // Six rows of two panels: 24 sums, the weights and one broadcast stay in registers.
  static constexpr int most_rows = 6;

  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma"))) static void run(
      const BlockTile& tile, Index rows, DType format) {
    const bool two = tile.columns > panel_outputs;
    if (format == DType::I8Blocks)
      two ? run_as<DType::I8Blocks, 2>(tile, rows) : run_as<DType::I8Blocks, 1>(tile, rows);
    else
      two ? run_as<DType::I4Blocks, 2>(tile, rows) : run_as<DType::I4Blocks, 1>(tile, rows);
  }

 private:
  template <DType Format, int Panels>
  VLM_TARGET_VNNI static void run_as(BlockTile t, Index rows) {
    for (; rows >= most_rows; rows -= most_rows, t.next_rows(most_rows)) compute<Format, Panels, most_rows>(t);
    if (rows >= 4) compute<Format, Panels, 4>(t), t.next_rows(4), rows -= 4;
    if (rows >= 2) compute<Format, Panels, 2>(t), t.next_rows(2), rows -= 2;
    if (rows >= 1) compute<Format, Panels, 1>(t);
  }

  // sum[16] += the four products in each lane: left unsigned, right signed.
  VLM_TARGET_VNNI static void dot(Integers<16>& sum, const Integers<16>& left, const Integers<16>& right) {
#if defined(__clang__)
    sum = (Integers<16>)__builtin_ia32_vpdpbusd512(sum, left, right);
#else
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(left), "v"(right));
#endif
  }

  template <DType Format, int Panels, int Rows>
  VLM_TARGET_VNNI static void compute(const BlockTile& t) {
    constexpr int W = 16;
    constexpr Index ahead = 4096;  // bytes of a panel, across the pages that the processor's own fetching stops at
    const Index a_row = t.blocks * block_inputs;
    Floats<W> sum[Panels][Rows];
    VLM_UNROLL for (int p = 0; p < Panels; ++p) VLM_UNROLL for (int i = 0; i < Rows; ++i) {
      sum[p][i] = Floats<W>{};
      if (t.first > 0) move_some<true>(sum[p][i], t.c + i * t.c_pitch + p * W, columns_of(t, p));
    }
    for (Index block = t.first; block < t.last; ++block) {
      Integers<W> inner[Panels][Rows];
      VLM_UNROLL for (int i = 0; i < Rows; ++i) {
        Integers<W> start = {};
        if constexpr (Format == DType::I8Blocks) spread(start, t.starts + i * t.blocks + block);
        VLM_UNROLL for (int p = 0; p < Panels; ++p) inner[p][i] = start;
      }
      const std::byte* values = t.panel + block * value_bytes(Format);
      const std::int8_t* a = t.a + block * block_inputs;
      if constexpr (Rows < most_rows) {
        for (int p = 0; p < Panels; ++p)
          for (Index byte = 0; byte < value_bytes(Format); byte += 64)
            __builtin_prefetch(values + p * t.panel_pitch + ahead + byte);
      }
      if constexpr (Format == DType::I8Blocks) {
        VLM_UNROLL for (int group = 0; group < 8; ++group) {
          Integers<W> left[Panels];
          VLM_UNROLL for (int p = 0; p < Panels; ++p)
              std::memcpy(&left[p], values + p * t.panel_pitch + 64 * group, 64);
          dot_rows<Panels, Rows>(inner, left, a + 4 * group, a_row);
        }
      } else {
        VLM_UNROLL for (int pair = 0; pair < 4; ++pair) {
          Integers<W> both[Panels], left[Panels];
          VLM_UNROLL for (int p = 0; p < Panels; ++p) {
            std::memcpy(&both[p], values + p * t.panel_pitch + 64 * pair, 64);
            left[p] = both[p] & 0x0f0f0f0f;
          }
          dot_rows<Panels, Rows>(inner, left, a + 8 * pair, a_row);
          VLM_UNROLL for (int p = 0; p < Panels; ++p) left[p] = both[p] >> 4 & 0x0f0f0f0f;
          dot_rows<Panels, Rows>(inner, left, a + 8 * pair + 4, a_row);
        }
      }
      VLM_UNROLL for (int p = 0; p < Panels; ++p) {
        Floats<W> scale, minimum;
        BlockScales<Format, W>(t.panel + p * t.panel_pitch, t.inputs, 0).at(block, scale, minimum);
        VLM_UNROLL for (int i = 0; i < Rows; ++i)
            BlockTileKernel::add_block<W, Format>(
                t, i, block, __builtin_convertvector(inner[p][i], Floats<W>), scale, minimum, sum[p][i]);
      }
    }
    VLM_UNROLL for (int p = 0; p < Panels; ++p) VLM_UNROLL for (int i = 0; i < Rows; ++i)
        move_some<false>(sum[p][i], t.c + i * t.c_pitch + p * W, columns_of(t, p));
  }
  template <int Panels, int Rows>
  VLM_TARGET_VNNI static void dot_rows(Integers<16> (&inner)[Panels][Rows],
                                       const Integers<16> (&left)[Panels], const std::int8_t* a, Index a_row) {
    VLM_UNROLL for (int i = 0; i < Rows; ++i) {
      Integers<16> right;
      spread(right, a + i * a_row);
      VLM_UNROLL for (int p = 0; p < Panels; ++p) dot(inner[p][i], left[p], right);
    }
  }
  // Four bytes in every lane.
  VLM_TARGET_VNNI static void spread(Integers<16>& lanes, const void* from) {
    std::int32_t word;
    std::memcpy(&word, from, sizeof word);
    lanes = word - Integers<16>{};
  }
  VLM_TARGET_VNNI static Index columns_of(const BlockTile& t, int panel) {
    return std::min<Index>(16, t.columns - 16 * panel);
  }
  template <bool In>
  VLM_TARGET_VNNI static void move_some(Floats<16>& lanes, float* c, Index count) {
    if constexpr (In)
      count == 16 ? load<16>(lanes, c) : load_some<16>(lanes, c, count);
    else
      count == 16 ? store<16>(c, lanes) : store_some<16>(c, lanes, count);
  }
};
#endif

}  // namespace vlm::cpu
