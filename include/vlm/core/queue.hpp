// Queue<Device>: where operations are computed. On the CPU a thread pool and an instruction-set level.
#pragma once

#include <cstddef>
#include <string>

#include <vlm/core/device.hpp>
#include <vlm/core/error.hpp>
#include <vlm/core/thread_pool.hpp>

struct CUstream_st;  // the CUDA runtime's stream

namespace vlm {

// Instruction-set levels that the CPU kernels are compiled for, whatever flags the user compiles with.
enum class IsaLevel { Portable, Avx2, Avx512 };

inline const char* name_of(IsaLevel level) {
  constexpr const char* names[] = {"portable", "AVX2", "AVX-512"};
  return names[static_cast<int>(level)];
}

// The best level that this machine has.
inline IsaLevel best_isa_level() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return IsaLevel::Avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return IsaLevel::Avx2;
#endif
  return IsaLevel::Portable;
}

// Whether the processor multiplies pairs of bf16 at the level Avx512 (AVX512-BF16).
inline bool has_bf16_products() {
#if defined(__x86_64__)
  static const bool has = best_isa_level() == IsaLevel::Avx512 && __builtin_cpu_supports("avx512bf16");
  return has;
#else
  return false;
#endif
}

// Whether it also picks and spreads bytes in vectors of 64 (AVX512-VBMI, VBMI2), without which codes for exponents cost
// more than reading them saves.
inline bool has_exponent_codes() {
#if defined(__x86_64__)
  static const bool has =
      has_bf16_products() && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
  return has;
#else
  return false;
#endif
}

template <class Device>
class Queue;

template <>
class Queue<Cpu> {
 public:
  explicit Queue(int threads = 0, IsaLevel level = best_isa_level()) : pool_(threads), level_(level) {
    if (level > best_isa_level())
      throw DeviceError("isa-level", {{"expected", std::string("at most ") + name_of(best_isa_level())},
                                      {"got", name_of(level)},
                                      {"try", "a level that this processor has"}});
  }
  int threads() const { return pool_.size(); }
  IsaLevel level() const { return level_; }
  template <class Work>
  void parallel(Index tasks, Work&& work) {
    pool_.parallel(tasks, work);
  }

 private:
  ThreadPool pool_;
  IsaLevel level_;
};

// A CUDA stream; null is the default stream.
template <>
class Queue<Cuda> {
 public:
  explicit Queue(CUstream_st* stream = nullptr) : stream_(stream) {}
  CUstream_st* stream() const { return stream_; }

 private:
  CUstream_st* stream_;
};

// Temporary bytes that an operation asked for with scratch_bytes.
struct Scratch {
  std::byte* data = nullptr;
  std::size_t size = 0;
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
};

}  // namespace vlm
