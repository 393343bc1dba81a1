// Panels of codes where the processor picks and spreads bytes in vectors of 64: slabs to memory, and one row of
// activations with panels that are decoded in registers. An element is the chain of bf16_tile.hpp.
#pragma once

#include <algorithm>
#include <cstring>

#include <vlm/ops/cpu/bf16_codes.hpp>
#include <vlm/ops/cpu/bf16_tile_dot.hpp>

namespace vlm::cpu {

#if defined(__x86_64__)
#define VLM_TARGET_CODES \
  target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx512bf16,avx2,fma,popcnt")

typedef std::uint8_t ByteLanes __attribute__((vector_size(64)));

// The two pairs of a unit, in registers.
struct CodeUnitDecoder {
  ByteLanes three_bytes;  // where the eight codes that a place's code is one of lie among the unit's bytes
  ByteLanes shifts;       // and the place's code among the bits of those eight

  __attribute__((VLM_TARGET_CODES, always_inline)) inline CodeUnitDecoder() {
    for (int i = 0; i < 64; ++i) {
      three_bytes[i] = static_cast<std::uint8_t>(i / 8 * 3 + std::min(i % 8, 2));
      shifts[i] = static_cast<std::uint8_t>(i % 8 * 3);
    }
  }
  // A slab's exponents, eight times.
  __attribute__((VLM_TARGET_CODES, always_inline)) static inline void read_exponents(ByteLanes& exponents,
                                                                                     const std::byte* from) {
    asm("vpbroadcastq %1, %0" : "=v"(exponents) : "m"(*reinterpret_cast<const std::byte(*)[8]>(from)));
  }
  // `rare` moves on.
  __attribute__((VLM_TARGET_CODES, always_inline)) inline void decode(ByteLanes& pair, ByteLanes& next,
                                                                      const ByteLanes& exponents,
                                                                      const std::byte* unit,
                                                                      const std::byte*& rare) const {
    ByteLanes codes, lower, upper, rare_exponents, rest;
    asm("vpermb %2, %1, %0"
        : "=v"(codes)
        : "v"(three_bytes), "m"(*reinterpret_cast<const std::byte(*)[64]>(unit)));
    // Above its three bits a byte has those of other codes, which neither the test nor the table sees.
    asm("vpmultishiftqb %2, %1, %0" : "=v"(codes) : "v"(shifts), "v"(codes));
    std::uint64_t is_rare;
    asm("vptestnmb %2, %1, %0" : "=Yk"(is_rare) : "v"(codes), "v"(ByteLanes{} + 7));
    asm("vpermb %2, %1, %0" : "=v"(lower) : "v"(codes), "v"(exponents));
    std::memcpy(&rare_exponents, rare, sizeof rare_exponents);
    asm("vpexpandb %1, %0%{%2%}" : "+v"(lower) : "v"(rare_exponents), "Yk"(is_rare));
    rare += __builtin_popcountll(is_rare);
    std::memcpy(&rest, unit + CodeUnit::code_bytes, sizeof rest);
    // The highest bit of one and the rest of the other, and the other way round.
    upper = lower;
    asm("vpternlogd $0xe2, %2, %1, %0" : "+v"(lower) : "v"(ByteLanes{} + 0x80), "v"(rest));
    asm("vpternlogd $0xb8, %2, %1, %0" : "+v"(upper) : "v"(ByteLanes{} + 0x80), "v"(rest));
    asm("vpunpcklbw %2, %1, %0" : "=v"(pair) : "v"(lower), "v"(upper));
    asm("vpunpckhbw %2, %1, %0" : "=v"(next) : "v"(lower), "v"(upper));
  }
};

// What DecodeSlabKernel does.
__attribute__((VLM_TARGET_CODES)) inline void decode_slab_in_registers(
    const CodePanel<const std::byte>& panel, Index slab, bf16* to) {
  const CodeUnitDecoder decoder;
  const std::byte *unit = panel.units(slab), *rare = panel.rare(slab);
  ByteLanes exponents, pair, next;
  CodeUnitDecoder::read_exponents(exponents, panel.exponents(slab));
  for (Index left = panel.blocks(slab) * CodeUnit::count; left > 0; --left, unit += CodeUnit::bytes) {
    if (left % CodeUnit::count == 0) rare = std::min(rare, panel.last_rare());
    decoder.decode(pair, next, exponents, unit, rare);
    std::memcpy(static_cast<void*>(to), &pair, sizeof pair);
    std::memcpy(static_cast<void*>(to + 32), &next, sizeof next);
    to += CodeUnit::numbers;
  }
}

struct Bf16CodeRow {
  const std::byte* panel;
  Index panel_pitch;
  Index panels;
  const Bf16Rows& a;
  Index a_row;

  __attribute__((VLM_TARGET_CODES)) static void run(Bf16CodeRow t, float* sums) {
    for (; t.panels >= 4; t.next_panels(4), sums += 4 * panel_outputs) t.add<4>(sums);
    for (; t.panels >= 2; t.next_panels(2), sums += 2 * panel_outputs) t.add<2>(sums);
    for (; t.panels >= 1; t.next_panels(1), sums += panel_outputs) t.add<1>(sums);
  }

 private:
  // What is fetched before it is read: no more, since what is asked for takes the place of what the processor foresees.
  // Units are read in a loop that is not unrolled: the processor foresees loads that step from line to line, and none that
  // step from block to block.
  static constexpr Index bytes_ahead = 4 * CodeUnit::bytes;

  VLM_INLINE void next_panels(Index count) {
    panel += count * panel_pitch;
    panels -= count;
  }

  template <int Panels>
  __attribute__((VLM_TARGET_CODES, always_inline)) inline void add(float* sums) const {
    const CodeUnitDecoder decoder;
    const CodePanel<const std::byte> first(panel, a.inputs);
    Floats<16> sum[Panels];
    VLM_UNROLL for (int v = 0; v < Panels; ++v) sum[v] = Floats<16>{};
    for (Index slab = 0; slab < a.slabs(); ++slab) {
      ByteLanes exponents[Panels];
      const std::byte *unit[Panels], *rare[Panels];
      VLM_UNROLL for (int v = 0; v < Panels; ++v) {
        const CodePanel<const std::byte> at(panel + v * panel_pitch, a.inputs);
        CodeUnitDecoder::read_exponents(exponents[v], at.exponents(slab));
        unit[v] = at.units(slab);
        rare[v] = at.rare(slab);
        if (slab + 1 == a.slabs()) __builtin_prefetch(at.exponents(0) + Panels * panel_pitch);
      }
      const bf16* x = a.at(slab, a_row);
      for (Index block = first.blocks(slab); block > 0; --block) {
        VLM_UNROLL for (int v = 0; v < Panels; ++v) rare[v] =
            std::min(rare[v], first.last_rare() + v * panel_pitch);
        for (const bf16* end = x + block_inputs; x != end; x += 4) {
          Integers<16> left, right;
          spread_pair(left, x);
          spread_pair(right, x + 2);
          VLM_UNROLL for (int v = 0; v < Panels; ++v) {
            __builtin_prefetch(unit[v] + bytes_ahead);
            __builtin_prefetch(unit[v] + bytes_ahead + 64);
            ByteLanes pair, next;
            decoder.decode(pair, next, exponents[v], unit[v], rare[v]);
            add_products(sum[v], left, (Integers<16>)pair);
            add_products(sum[v], right, (Integers<16>)next);
            unit[v] += CodeUnit::bytes;
          }
        }
      }
    }
    VLM_UNROLL for (int v = 0; v < Panels; ++v) store<16>(sums + v * panel_outputs, sum[v]);
  }
};
#endif

inline void decode_slab(IsaLevel level, const CodePanel<const std::byte>& panel, Index slab, bf16* to) {
#if defined(__x86_64__)
  if (level == IsaLevel::Avx512 && has_exponent_codes()) return decode_slab_in_registers(panel, slab, to);
#endif
  dispatch<DecodeSlabKernel>(level, &panel, slab, to);
}

}  // namespace vlm::cpu
