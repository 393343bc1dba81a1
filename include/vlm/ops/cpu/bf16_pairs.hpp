// Pairs of bf16 where the processor multiplies them (AVX512-BF16): both products of a pair and 16 sums in one instruction.
// It takes denormal numbers for zeros, and its sums round as the processor does.
#pragma once

#include <vlm/core/dtype.hpp>
#include <vlm/ops/cpu/lanes.hpp>

namespace vlm::cpu {

#if defined(__x86_64__)
#define VLM_TARGET_BF16 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma"), always_inline)) inline
// Instructions with operands of 512 bits: g++ inlines them into functions of any target, clang++ takes them in functions of
// this one only.
#if defined(__clang__)
#define VLM_INLINE_AVX512 VLM_TARGET_BF16
#else
#define VLM_INLINE_AVX512 VLM_INLINE
#endif

// sum[16] += the two products in each lane.
VLM_INLINE_AVX512 void add_products(Floats<16>& sum, const Integers<16>& left, const Integers<16>& right) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(left), "v"(right));
}
// A pair in every lane.
VLM_INLINE_AVX512 void spread_pair(Integers<16>& lanes, const bf16* from) {
  asm("vpbroadcastd %1, %0" : "=v"(lanes) : "m"(*reinterpret_cast<const bf16(*)[2]>(from)));
}
#endif

}  // namespace vlm::cpu
