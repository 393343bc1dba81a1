// Pairs of bf16 where the processor multiplies them (AVX512-BF16): both products of a pair and 16 sums in one instruction.
// It takes denormal numbers for zeros, and its sums round as the processor does.
#pragma once

#include <vlm/core/dtype.hpp>
#include <vlm/ops/cpu/lanes.hpp>

namespace vlm::cpu {

#if defined(__x86_64__)
inline bool has_bf16_products() {
  static const bool has = __builtin_cpu_supports("avx512bf16");
  return has;
}

// sum[16] += the two products in each lane.
VLM_INLINE void add_products(Floats<16>& sum, const Integers<16>& left, const Integers<16>& right) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(left), "v"(right));
}
// A pair in every lane.
VLM_INLINE void spread_pair(Integers<16>& lanes, const bf16* from) {
  asm("vpbroadcastd %1, %0" : "=v"(lanes) : "m"(*reinterpret_cast<const bf16(*)[2]>(from)));
}
#else
inline bool has_bf16_products() { return false; }
#endif

}  // namespace vlm::cpu
