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
#else
#define VLM_UNROLL _Pragma("GCC unroll 32")
#endif

namespace vlm::cpu {

template <int W>
struct LaneTypes {
  typedef float Floats __attribute__((vector_size(W * sizeof(float))));
  typedef std::int32_t Integers __attribute__((vector_size(W * sizeof(float))));
};
template <int W>
using Floats = typename LaneTypes<W>::Floats;
template <int W>
using Integers = typename LaneTypes<W>::Integers;

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

// x = e^x by range reduction to [-ln2/2, ln2/2] and a polynomial; relative error below 2e-7; e^0 is exactly
// 1, below -87.3 exactly 0, above 88.7 infinity. NaN stays NaN.
template <int W>
VLM_INLINE void exponential(Floats<W>& x) {
  const Floats<W> magic = 12582912.0f - Floats<W>{};  // 1.5 * 2^23: adding it rounds to an integer
  const Floats<W> original = x;
  Floats<W> clamped = x < 88.8f ? x : 88.8f - Floats<W>{};
  clamped = clamped > -87.33f ? clamped : -87.33f - Floats<W>{};
  const Floats<W> shifted = clamped * 1.44269504f + magic;
  const Floats<W> n = shifted - magic;
  const Floats<W> r = clamped - n * 0.693145752f - n * 1.42860677e-6f;
  Floats<W> p = r * 1.98756915e-4f + 1.39819995e-3f;
  p = p * r + 8.33345205e-3f;
  p = p * r + 4.16657962e-2f;
  p = p * r + 1.66666657e-1f;
  p = p * r + 0.5f;
  p = p * r * r + r + 1.0f;
  // Two factors of 2, so that n = 128 does not overflow on the way.
  const Integers<W> exponent = (Integers<W>)shifted - (Integers<W>)magic;
  const Integers<W> half = exponent >> 1;
  p = p * (Floats<W>)((half + 127) << 23) * (Floats<W>)((exponent - half + 127) << 23);
  p = original < -87.33f ? Floats<W>{} : p;
  x = original == original ? p : original;
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
