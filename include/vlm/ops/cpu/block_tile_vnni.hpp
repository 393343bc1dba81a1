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
    next_rows<Format, Panels, most_rows>(t, rows);
    next_rows<Format, Panels, 4>(t, rows);
    next_rows<Format, Panels, 2>(t, rows);
    next_rows<Format, Panels, 1>(t, rows);
  }
  template <DType Format, int Panels, int Rows>
  VLM_TARGET_VNNI static void next_rows(BlockTile& t, Index& rows) {
    const bool full = t.columns == Panels * panel_outputs;
    const auto bytes = static_cast<std::size_t>(t.columns) * sizeof(float);
    for (; rows >= Rows; rows -= Rows, t.next_rows(Rows)) {
      float some[Rows * Panels * panel_outputs] = {};  // in the place of C where a panel is not full
      for (int i = 0; !full && i < Rows; ++i)
        std::memcpy(some + i * Panels * panel_outputs, t.c + i * t.c_pitch, bytes);
      compute<Format, Panels, Rows>(t, full ? t.c : some, full ? t.c_pitch : Panels * panel_outputs);
      for (int i = 0; !full && i < Rows; ++i)
        std::memcpy(t.c + i * t.c_pitch, some + i * Panels * panel_outputs, bytes);
    }
  }

  // sum[16] += the four products in each lane: left unsigned, right signed.
  VLM_TARGET_VNNI static void dot(Integers<16>& sum, const Integers<16>& left, const Integers<16>& right) {
#if defined(__clang__)
    sum = (Integers<16>)__builtin_ia32_vpdpbusd512(sum, left, right);
#else
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(left), "v"(right));
#endif
  }

  // The panels stand side by side rather than in a loop: g++ then keeps all sums in registers.
  template <DType Format, int Panels, int Rows>
  VLM_TARGET_VNNI static void compute(const BlockTile& t, float* c, Index c_pitch) {
    constexpr int W = 16;
    constexpr bool two = Panels == 2;
    constexpr Index ahead =
        4096;  // bytes of a panel, across the pages that the processor's own fetching stops at
    const Index a_row = t.blocks * block_inputs, next = t.panel_pitch;
    const BlockScales<Format, W> first_scales(t.panel, t.inputs, 0),
        second_scales(t.panel + (two ? next : 0), t.inputs, 0);
    Floats<W> first_sum[Rows], second_sum[Rows];
    VLM_UNROLL for (int i = 0; i < Rows; ++i) {
      load<W>(first_sum[i], c + i * c_pitch);
      if constexpr (two) load<W>(second_sum[i], c + i * c_pitch + W);
    }
    for (Index block = t.first; block < t.last; ++block) {
      Integers<W> first[Rows], second[Rows];
      VLM_UNROLL for (int i = 0; i < Rows; ++i) {
        first[i] = Integers<W>{};
        if constexpr (Format == DType::I8Blocks) spread(first[i], t.starts + i * t.blocks + block);
        second[i] = first[i];
      }
      const std::byte* values = t.panel + block * value_bytes(Format);
      const std::int8_t* a = t.a + block * block_inputs;
      for (int line = 0; line < value_bytes(Format) / 64; ++line, values += 64) {
        Integers<W> left[2] = {}, both[2] = {};
        std::memcpy(&both[0], values, 64);
        if constexpr (two) std::memcpy(&both[1], values + next, 64);
        if constexpr (Rows < most_rows) {
          __builtin_prefetch(values + ahead);
          if constexpr (two) __builtin_prefetch(values + next + ahead);
        }
        if constexpr (Format == DType::I8Blocks) {
          dot_rows<two, Rows>(first, second, both, a, a_row);
          a += 4;
        } else {
          left[0] = both[0] & 0x0f0f0f0f;
          left[1] = both[1] & 0x0f0f0f0f;
          dot_rows<two, Rows>(first, second, left, a, a_row);
          left[0] = both[0] >> 4 & 0x0f0f0f0f;
          left[1] = both[1] >> 4 & 0x0f0f0f0f;
          dot_rows<two, Rows>(first, second, left, a + 4, a_row);
          a += 8;
        }
      }
      Floats<W> scale, minimum;
      first_scales.at(block, scale, minimum);
      VLM_UNROLL for (int i = 0; i < Rows; ++i) BlockTileKernel::add_block<W, Format>(
          t, i, block, __builtin_convertvector(first[i], Floats<W>), scale, minimum, first_sum[i]);
      if constexpr (two) {
        second_scales.at(block, scale, minimum);
        VLM_UNROLL for (int i = 0; i < Rows; ++i) BlockTileKernel::add_block<W, Format>(
            t, i, block, __builtin_convertvector(second[i], Floats<W>), scale, minimum, second_sum[i]);
      }
    }
    VLM_UNROLL for (int i = 0; i < Rows; ++i) {
      store<W>(c + i * c_pitch, first_sum[i]);
      if constexpr (two) store<W>(c + i * c_pitch + W, second_sum[i]);
    }
  }
  template <bool Two, int Rows>
  VLM_TARGET_VNNI static void dot_rows(Integers<16> (&first)[Rows], Integers<16> (&second)[Rows],
                                       const Integers<16> (&left)[2], const std::int8_t* a, Index a_row) {
    VLM_UNROLL for (int i = 0; i < Rows; ++i) {
      Integers<16> right;
      spread(right, a + i * a_row);
      dot(first[i], left[0], right);
      if constexpr (Two) dot(second[i], left[1], right);
    }
  }
  // Four bytes in every lane.
  VLM_TARGET_VNNI static void spread(Integers<16>& lanes, const void* from) {
    std::int32_t word;
    std::memcpy(&word, from, sizeof word);
    lanes = word - Integers<16>{};
  }
};
#endif

}  // namespace vlm::cpu
