// Vectors of W floats, and the run-time choice of instruction set. A kernel is a struct with a static member
// template `run<W>(arguments...)`, always inlined into one wrapper per level; the wrapper carries the target
// attribute, so a program compiled without -march flags still uses AVX2 or AVX-512. No lambdas inside
// kernels: they lose the target.
#pragma once

#include <cstdint>
#include <cstring>
#include <vlm/core/queue.hpp>
#include <vlm/core/shape.hpp>

#define VLM_INLINE [[gnu::always_inline]] inline
#if defined(__clang__)
#define VLM_UNROLL _Pragma("clang loop unroll(full)")
#define VLM_UNROLL_TWICE _Pragma("clang loop unroll_count(2)")
#else
#define VLM_UNROLL _Pragma("GCC unroll 32")
#define VLM_UNROLL_TWICE _Pragma("GCC unroll 2")
#endif

namespace vlm::cpu {

template <int W>
struct LaneTypes {
  typedef float Floats __attribute__((vector_size(W * sizeof(float))));
  typedef std::int32_t Integers __attribute__((vector_size(W * sizeof(float))));
  typedef std::uint32_t Unsigned __attribute__((vector_size(W * sizeof(float))));
};
template <int W>
using Floats = typename LaneTypes<W>::Floats;
template <int W>
using Integers = typename LaneTypes<W>::Integers;
template <int W>
using Unsigned = typename LaneTypes<W>::Unsigned;

// Vectors travel by reference, so that no call depends on how a target passes them.
template <int W>
VLM_INLINE void load(Floats<W>& lanes, const float* from) {
  std::memcpy(&lanes, from, sizeof lanes);
}
template <int W>
VLM_INLINE void store(float* to, const Floats<W>& lanes) {
  std::memcpy(to, &lanes, sizeof lanes);
}
template <int W>
VLM_INLINE void fill(Floats<W>& lanes, float value) {
  lanes = value - Floats<W>{};
}
// The first `count` values; the other lanes are zero.
template <int W>
VLM_INLINE void load_some(Floats<W>& lanes, const float* from, Index count) {
  lanes = Floats<W>{};
  for (Index i = 0; i < count; ++i) lanes[i] = from[i];
}
template <int W>
VLM_INLINE void store_some(float* to, const Floats<W>& lanes, Index count) {
  for (Index i = 0; i < count; ++i) to[i] = lanes[i];
}

// The bits of the nearest bf16 in the lower half of each lane, as bf16's constructor rounds.
template <int W>
VLM_INLINE void bf16_bits(Unsigned<W>& bits, const Floats<W>& x) {
  const Unsigned<W> wide = (Unsigned<W>)x;
  const Unsigned<W> upper = wide >> 16;
  bits = (wide & 0x7fffffffu) > 0x7f800000u ? upper | 0x40u : (wide + 0x7fffu + (upper & 1u)) >> 16;
}

// The nearest bf16 of W floats, at `to`.
template <int W>
VLM_INLINE void store_bf16(void* to, const Floats<W>& x) {
  typedef std::uint16_t Halves __attribute__((vector_size(2 * W)));
  Unsigned<W> bits;
  bf16_bits<W>(bits, x);
  const Halves halves = __builtin_convertvector(bits, Halves);
  std::memcpy(to, &halves, sizeof halves);
}

// Sums lanes in a fixed tree.
template <int W>
VLM_INLINE float sum_of(const Floats<W>& lanes) {
  float part[W];
  std::memcpy(part, &lanes, sizeof part);
  VLM_UNROLL for (int width = W / 2; width > 0; width /= 2) VLM_UNROLL for (int i = 0; i < width; ++i)
      part[i] += part[i + width];
  return part[0];
}
template <int W>
VLM_INLINE float max_of(const Floats<W>& lanes) {
  float part[W];
  std::memcpy(part, &lanes, sizeof part);
  VLM_UNROLL for (int width = W / 2; width > 0; width /= 2) VLM_UNROLL for (int i = 0; i < width; ++i)
      part[i] = part[i] < part[i + width] ? part[i + width] : part[i];
  return part[0];
}

// x = min(x, limit) and max(x, limit); NaN stays NaN. Written out for g++, which makes a comparison and a choice of it.
template <int W>
VLM_INLINE void at_most(Floats<W>& x, float limit) {
  Floats<W> limits;
  fill<W>(limits, limit);
#if defined(__x86_64__) && !defined(__clang__)
  if constexpr (W >= 8)
    asm("vminps %0, %1, %0" : "+v"(x) : "v"(limits));
  else
#endif
    x = limits < x ? limits : x;
}
template <int W>
VLM_INLINE void at_least(Floats<W>& x, float limit) {
  Floats<W> limits;
  fill<W>(limits, limit);
#if defined(__x86_64__) && !defined(__clang__)
  if constexpr (W >= 8)
    asm("vmaxps %0, %1, %0" : "+v"(x) : "v"(limits));
  else
#endif
    x = limits > x ? limits : x;
}

// x = e^x for x <= 88.8 by range reduction to [-ln2/2, ln2/2] and a polynomial; relative error below 2e-7; e^0 is
// exactly 1, below -87 exactly 0, above 88.73 infinity. NaN stays NaN.
template <int W>
VLM_INLINE void bounded_exponential(Floats<W>& x) {
  at_least<W>(x, -87.3f);
  Floats<W> magic;  // 1.5 * 2^23: adding it rounds to an integer. As a constant it would crash nvcc 13.0.
  fill<W>(magic, 12582912.0f);
  const Floats<W> shifted = x * 1.44269504f + magic;
  const Floats<W> n = shifted - magic;
  const Floats<W> r = x - n * 0.693145752f - n * 1.42860677e-6f;
  // 2 e^r, so that 2^(n-1) is the other factor: it does not overflow for n = 128, and is 0 for n = -126.
  Floats<W> p = r * 2.762834308668971e-3f + 1.6737844794988632e-2f;
  p = p * r + 8.333681523799896e-2f;
  p = p * r + 3.333303928375244e-1f;
  p = p * r + 9.999998807907104e-1f;
  p = p * r + 2.0f;
  p = p * r + 2.0f;
  // The lowest bits of `shifted` are n; those above leave with the shift into the exponent's place.
  x = p * (Floats<W>)(((Integers<W>)shifted << 23) + (126 << 23));
}
// The same for any x.
template <int W>
VLM_INLINE void exponential(Floats<W>& x) {
  at_most<W>(x, 88.8f);
  bounded_exponential<W>(x);
}

inline constexpr float log2_of_e = 1.44269504f;

// x = 2^x for x <= 128; the polynomial is the best 1 + r q(r) of degree 5 for the relative error, 9e-8, and with rounding
// that is below 3e-7; 2^0 is exactly 1, below -126.5 exactly 0, above 127.5 infinity. NaN stays NaN.
template <int W>
VLM_INLINE void bounded_power_of_two(Floats<W>& x) {
  at_least<W>(x, -127.0f);
  Floats<W> magic;
  fill<W>(magic, 12582912.0f);
  const Floats<W> shifted = x + magic;
  const Floats<W> r = x - (shifted - magic);
  Floats<W> p = r * 0.00132647271f + 0.00967151265f;
  p = p * r + 0.0555073374f;
  p = p * r + 0.240222421f;
  p = p * r + 0.693146978f;
  p = p * r + 1.0f;
  x = p * (Floats<W>)(((Integers<W>)shifted << 23) + (127 << 23));
}
// The same for any x.
template <int W>
VLM_INLINE void power_of_two(Floats<W>& x) {
  at_most<W>(x, 128.0f);
  bounded_power_of_two<W>(x);
}

#if defined(__x86_64__)
#define VLM_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define VLM_TARGET_AVX2 __attribute__((target("avx2,fma")))
template <class Kernel, class... Arguments>
VLM_TARGET_AVX512 void run_avx512(Arguments... arguments) {
  Kernel::template run<16>(arguments...);
}
template <class Kernel, class... Arguments>
VLM_TARGET_AVX2 void run_avx2(Arguments... arguments) {
  Kernel::template run<8>(arguments...);
}
#endif
template <class Kernel, class... Arguments>
void run_portable(Arguments... arguments) {
  Kernel::template run<4>(arguments...);
}

// From inside a kernel of W lanes: another kernel at the same level, as a call rather than inlined once more.
template <int W, class Kernel, class... Arguments>
VLM_INLINE void call(Arguments... arguments) {
#if defined(__x86_64__)
  if constexpr (W == 16)
    run_avx512<Kernel>(arguments...);
  else if constexpr (W == 8)
    run_avx2<Kernel>(arguments...);
  else
#endif
    run_portable<Kernel>(arguments...);
}

// Runs a kernel at the queue's level. Arguments are small values and pointers.
template <class Kernel, class... Arguments>
void dispatch(IsaLevel level, Arguments... arguments) {
#if defined(__x86_64__)
  if (level == IsaLevel::Avx512) return run_avx512<Kernel>(arguments...);
  if (level == IsaLevel::Avx2) return run_avx2<Kernel>(arguments...);
#endif
  (void)level;
  run_portable<Kernel>(arguments...);
}

}  // namespace vlm::cpu
