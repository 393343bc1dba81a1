// What this machine can do at most, with the library's own threads and best instruction set: multiply-adds of floats,
// pairs of bf16 and fours of bytes, reads, copies, updates in place, exponentials. Each is a Contender that is run beside
// what it judges.
#pragma once

#include <vector>

#include <vlm/core/queue.hpp>
#include <vlm/ops/cpu/block_tile_vnni.hpp>
#include <vlm/ops/cpu/lanes.hpp>
#include <vlm/ops/cpu/multiply_add_rate.hpp>

#include "measure.hpp"

namespace bench {

namespace detail {

using namespace vlm;
using namespace vlm::cpu;

struct ReadKernel {
  template <int W>
  VLM_INLINE static void run(const float* from, Index count, float* out) {
    Floats<W> sum[8], value;
    VLM_UNROLL for (int i = 0; i < 8; ++i) sum[i] = Floats<W>{};
    for (Index at = 0; at + 8 * W <= count; at += 8 * W) VLM_UNROLL for (int i = 0; i < 8; ++i) {
        load<W>(value, from + at + i * W);
        sum[i] += value;
      }
    VLM_UNROLL for (int i = 1; i < 8; ++i) sum[0] += sum[i];
    store<W>(out, sum[0]);
  }
};
struct CopyKernel {
  template <int W>
  VLM_INLINE static void run(const float* from, float* to, Index count) {
    Floats<W> value;
    for (Index at = 0; at + W <= count; at += W) {
      load<W>(value, from + at);
      store<W>(to + at, value);
    }
  }
};
struct UpdateKernel {
  template <int W>
  VLM_INLINE static void run(float* values, Index count) {
    Floats<W> value;
    for (Index at = 0; at + W <= count; at += W) {
      load<W>(value, values + at);
      value += 1.0f;
      store<W>(values + at, value);
    }
  }
};
struct ExponentialKernel {
  template <int W>
  VLM_INLINE static void run(const float* from, float* to, Index count, int times) {
    for (int time = 0; time < times; ++time)
      for (Index at = 0; at + 4 * W <= count; at += 4 * W) VLM_UNROLL for (int i = 0; i < 4; ++i) {
          Floats<W> value;
          load<W>(value, from + at + i * W);
          exponential<W>(value);
          store<W>(to + at + i * W, value);
        }
  }
};

#if defined(__x86_64__)
// Chains of one instruction that adds products to 16 sums, in registers: two of bf16 for each sum, or four of bytes.
template <int Products>
struct DotChains {
  static constexpr int steps = 40000, chains = 12;
  static constexpr double flop = 2.0 * 16 * Products * chains * steps;

  // The sums begin with the 16 values at `out`, which are overwritten with the end of all chains, added up.
  __attribute__((target("avx512f,avx512bf16,avx512vnni"))) static void run(float* out) {
    Floats<16> sum[chains], factor = {};
    VLM_UNROLL for (int i = 0; i < chains; ++i) load<16>(sum[i], out);
    for (int step = 0; step < steps; ++step) VLM_UNROLL for (int i = 0; i < chains; ++i) {
        if constexpr (Products == 2)
          asm volatile("vdpbf16ps %1, %1, %0" : "+v"(sum[i]) : "v"(factor));
        else
          asm volatile("vpdpbusd %1, %1, %0" : "+v"(sum[i]) : "v"(factor));
      }
    VLM_UNROLL for (int i = 1; i < chains; ++i) sum[0] += sum[i];
    store<16>(out, sum[0]);
  }
};
#endif

}  // namespace detail

// Reads and copies go through `bytes` of touched memory each.
class Ceilings {
 public:
  explicit Ceilings(int threads, std::size_t bytes = 256u << 20)
      : queue_(threads),
        count_(static_cast<vlm::Index>(bytes / sizeof(float))),
        from_(static_cast<std::size_t>(count_)),
        to_(static_cast<std::size_t>(count_)) {
    for (std::size_t i = 0; i < from_.size(); ++i) from_[i] = static_cast<float>(i % 97) * 0.01f, to_[i] = 0;
  }

  // Work in GFLOP.
  Contender multiply_adds() {
    using Kernel = vlm::cpu::MultiplyAddKernel;
    const double work = 1e-9 * Kernel::flop(queue_.level()) * queue_.threads();
    return {"fma peak",
            [this] {
              queue_.parallel(queue_.threads(), [&](vlm::Index task, int) {
                vlm::cpu::dispatch<Kernel>(queue_.level(), to_.data() + task * 256);
              });
            },
            work};
  }
  // Work in GFLOP, with the fastest instruction for products with such weights: of bytes, of pairs of bf16, or of floats.
  Contender products(vlm::DType weights) {
#if defined(__x86_64__)
    using vlm::DType;
    const bool vectors = queue_.level() == vlm::IsaLevel::Avx512;
    if ((weights == DType::I8Blocks || weights == DType::I4Blocks) && vectors && vlm::cpu::has_vnni())
      return dots<4>("byte peak");
    if ((weights == DType::Bf16Blocks || weights == DType::Bf16CodeBlocks) && vectors &&
        vlm::has_bf16_products())
      return dots<2>("bf16 peak");
#endif
    return multiply_adds();
  }
  // Work in GB read.
  Contender read() {
    return {"read",
            [this] {
              parts([&](vlm::Index first, vlm::Index count, vlm::Index task) {
                vlm::cpu::dispatch<detail::ReadKernel>(queue_.level(),
                                                       static_cast<const float*>(from_.data() + first), count,
                                                       to_.data() + task * 64);
              });
            },
            4e-9 * static_cast<double>(tasks() * each())};
  }
  // Work in GB read plus GB written, plain stores.
  Contender copy() {
    return {"copy",
            [this] {
              parts([&](vlm::Index first, vlm::Index count, vlm::Index) {
                vlm::cpu::dispatch<detail::CopyKernel>(queue_.level(),
                                                       static_cast<const float*>(from_.data() + first),
                                                       to_.data() + first, count);
              });
            },
            8e-9 * static_cast<double>(tasks() * each())};
  }
  // Work in GB read plus GB written in place.
  Contender update() {
    return {"update",
            [this] {
              parts([&](vlm::Index first, vlm::Index count, vlm::Index) {
                vlm::cpu::dispatch<detail::UpdateKernel>(queue_.level(), to_.data() + first, count);
              });
            },
            8e-9 * static_cast<double>(tasks() * each())};
  }
  // Work in 10^9 exponentials, from and to the first cache.
  Contender exponentials() {
    constexpr vlm::Index values = 2048;
    constexpr int times = 50;
    return {"vector exp",
            [this] {
              queue_.parallel(queue_.threads(), [&](vlm::Index task, int) {
                vlm::cpu::dispatch<detail::ExponentialKernel>(
                    queue_.level(), static_cast<const float*>(from_.data() + task * values),
                    to_.data() + task * values, values, times);
              });
            },
            1e-9 * values * times * queue_.threads()};
  }

 private:
#if defined(__x86_64__)
  template <int Products>
  Contender dots(const char* name) {
    using Chains = detail::DotChains<Products>;
    return {name,
            [this] {
              queue_.parallel(queue_.threads(),
                              [&](vlm::Index task, int) { Chains::run(to_.data() + task * 256); });
            },
            1e-9 * Chains::flop * queue_.threads()};
  }
#endif
  template <class Work>
  void parts(Work&& work) {
    queue_.parallel(tasks(), [&](vlm::Index task, int) { work(task * each(), each(), task); });
  }
  vlm::Index tasks() const { return 8 * queue_.threads(); }
  vlm::Index each() const { return count_ / tasks() / 1024 * 1024; }
  vlm::Queue<vlm::Cpu> queue_;
  vlm::Index count_;
  std::vector<float> from_, to_;
};

}  // namespace bench
