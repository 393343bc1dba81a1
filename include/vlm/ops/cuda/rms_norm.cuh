// Root-mean-square norm on CUDA, bound by memory. A group of features is taken by some lanes of a warp, or by one block
// where it is long, 16 bytes at a time, read at once where memory is aligned so: a row's bits depend on that row alone.
// The weight's gradient is summed in fixed parts of groups, then over the parts in a fixed order.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <string>
#include <type_traits>

#include <vlm/core/dtype.hpp>
#include <vlm/core/error.hpp>
#include <vlm/ops/rms_norm.hpp>

namespace vlm::cuda {

inline constexpr int warp_threads = 32;
inline constexpr int block_threads = 256;
inline constexpr Index warp_elements = 1024;  // of the longest group that one warp takes
inline constexpr Index strip_groups = 32;     // that one thread adds up for the weight's gradient
inline constexpr int part_lanes = 16;         // threads that add up the parts of one column

inline void check_launch(const char* operation, Index rows, Index features) {
  if (const cudaError_t status = cudaGetLastError(); status != cudaSuccess)
    throw DeviceError("cuda", {{"operation", std::string(operation) + " [rows " + std::to_string(rows) +
                                                 ", features " + std::to_string(features) + "]"},
                               {"got", cudaGetErrorString(status)},
                               {"try", "a driver and a device that fit this build"}});
}

// 16 bytes of elements, or as many floats, which move together where memory is aligned.
template <class T, int Count>
struct alignas(sizeof(T) * Count) Pack {
  T values[Count];
};
template <class T>
inline constexpr int pack_width = 16 / sizeof(T);

// The elements from `first` on; zeros beyond `end`.
template <bool Aligned, int Width, class T>
__device__ inline Pack<std::remove_const_t<T>, Width> read(T* row, Index first, Index end) {
  using Values = Pack<std::remove_const_t<T>, Width>;
  if constexpr (Aligned) return *reinterpret_cast<const Values*>(row + first);
  Values some{};
  for (int i = 0; i < Width; ++i)
    if (first + i < end) some.values[i] = row[first + i];
  return some;
}
template <bool Aligned, class T, int Width>
__device__ inline void write(T* row, Index first, Index end, const Pack<T, Width>& some) {
  if constexpr (Aligned) {
    *reinterpret_cast<Pack<T, Width>*>(row + first) = some;
  } else {
    for (int i = 0; i < Width; ++i)
      if (first + i < end) row[first + i] = some.values[i];
  }
}

// To the nearest, by one instruction.
__device__ inline void round_to(float& to, float value) { to = value; }
__device__ inline void round_to(bf16& to, float value) {
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(to.bits) : "f"(value));
}

// The sum over the threads of a group, known to all of them, in a fixed tree.
template <int Threads>
__device__ inline float sum_over(float value) {
  constexpr int lanes = Threads < warp_threads ? Threads : warp_threads;
  const unsigned all = 0xffffffffu >> (warp_threads - lanes) << (threadIdx.x % warp_threads / lanes * lanes);
  for (int offset = lanes / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(all, value, offset);
  if constexpr (Threads > warp_threads) {
    __shared__ float warp_sums[Threads / warp_threads];
    __syncthreads();
    if (threadIdx.x % warp_threads == 0) warp_sums[threadIdx.x / warp_threads] = value;
    __syncthreads();
    value = 0;
    for (int warp = 0; warp < Threads / warp_threads; ++warp) value += warp_sums[warp];
  }
  return value;
}

// The group that this thread helps with, of [rows * groups]; the last warps of the grid may have none.
template <int Threads>
__device__ inline Index group_of_thread() {
  return (static_cast<Index>(blockIdx.x) * block_threads + threadIdx.x) / Threads;
}

template <class T, int Threads, bool Aligned>
__global__ void rms_norm_forward(RmsNormForward<Cuda, T> op, Index group, Index groups) {
  constexpr int width = pack_width<T>;
  const Index at = group_of_thread<Threads>();
  if (at >= op.x.rows() * groups) return;
  const Index row = at / groups, part = at % groups, begin = threadIdx.x % Threads * width;
  const T* x = op.x.row(row) + part * group;
  T* y = op.y.row(row) + part * group;
  float squares = 0;
  for (Index j = begin; j < group; j += Threads * width) {
    const auto some = read<Aligned, width>(x, j, group);
    for (const T& one : some.values) squares += static_cast<float>(one) * static_cast<float>(one);
  }
  const float factor = rsqrtf(sum_over<Threads>(squares) / static_cast<float>(group) + op.eps);
  if (op.rstd && begin == 0) op.rstd(row, part) = factor;
  for (Index j = begin; j < group; j += Threads * width) {
    auto some = read<Aligned, width>(x, j, group);
    const auto weight = read<Aligned, width>(op.weight.data, j, group);
    for (int i = 0; i < width; ++i) {
      T normalised;
      round_to(normalised, static_cast<float>(some.values[i]) * factor);
      round_to(some.values[i], static_cast<float>(normalised) * weight.values[i]);
    }
    write<Aligned>(y, j, group, some);
  }
}

// dx = rstd * (w dy) - x * rstd^3 / n * sum(w dy x)
template <class T, int Threads, bool Aligned>
__global__ void rms_norm_backward_input(RmsNormBackward<Cuda, T> op, Index group, Index groups) {
  constexpr int width = pack_width<T>;
  const Index at = group_of_thread<Threads>();
  if (at >= op.x.rows() * groups) return;
  const Index row = at / groups, part = at % groups, begin = threadIdx.x % Threads * width;
  const T* x = op.x.row(row) + part * group;
  const T* dy = op.dy.row(row) + part * group;
  float sum = 0;
  for (Index j = begin; j < group; j += Threads * width) {
    const auto some = read<Aligned, width>(x, j, group), slopes = read<Aligned, width>(dy, j, group);
    const auto weight = read<Aligned, width>(op.weight.data, j, group);
    for (int i = 0; i < width; ++i)
      sum += static_cast<float>(slopes.values[i]) * weight.values[i] * static_cast<float>(some.values[i]);
  }
  const float factor = op.rstd(row, part);
  const float slope = sum_over<Threads>(sum) * factor * factor * factor / static_cast<float>(group);
  for (Index j = begin; j < group; j += Threads * width) {
    const auto some = read<Aligned, width>(x, j, group);
    const auto weight = read<Aligned, width>(op.weight.data, j, group);
    auto slopes = read<Aligned, width>(dy, j, group);
    for (int i = 0; i < width; ++i)
      round_to(slopes.values[i], static_cast<float>(slopes.values[i]) * weight.values[i] * factor -
                                     static_cast<float>(some.values[i]) * slope);
    write<Aligned>(op.dx.row(row) + part * group, j, group, slopes);
  }
}

// sums[part][j] = sum over a part's groups of dy * x * rstd. Each thread of a block [lanes, strips] adds up the columns of
// one pack over a strip of groups; the strips are then added in order.
template <class T, bool Aligned>
__global__ void rms_norm_weight_parts(RmsNormBackward<Cuda, T> op, Index group, Index groups, float* sums) {
  constexpr int width = pack_width<T>;
  __shared__ float strips[block_threads * width];
  const Index column = (blockIdx.y * static_cast<Index>(blockDim.x) + threadIdx.x) * width;
  const Index strip = blockIdx.x * static_cast<Index>(blockDim.y) + threadIdx.y, all = op.x.rows() * groups;
  const Index first = strip * strip_groups, end = first + strip_groups < all ? first + strip_groups : all;
  float sum[width] = {};
  for (Index at = first; at < end && column < group; ++at) {
    const Index row = at / groups, part = at % groups;
    const auto some = read<Aligned, width>(op.x.row(row) + part * group, column, group);
    const auto slopes = read<Aligned, width>(op.dy.row(row) + part * group, column, group);
    const float factor = op.rstd(row, part);
    for (int i = 0; i < width; ++i)
      sum[i] += static_cast<float>(slopes.values[i]) * static_cast<float>(some.values[i]) * factor;
  }
  for (int i = 0; i < width; ++i) strips[(threadIdx.y * blockDim.x + threadIdx.x) * width + i] = sum[i];
  __syncthreads();
  for (unsigned at = threadIdx.y * blockDim.x + threadIdx.x; at < blockDim.x * width;
       at += blockDim.x * blockDim.y) {
    float total = 0;
    for (unsigned one = 0; one < blockDim.y; ++one) total += strips[one * blockDim.x * width + at];
    const Index j = blockIdx.y * static_cast<Index>(blockDim.x) * width + at;
    if (j < group) sums[blockIdx.x * group + j] = total;
  }
}

// into[j] += sum over parts. A template only so that several translation units may hold it.
template <class Number>
__global__ void add_parts(const Number* sums, Index parts, Index count, Number* into) {
  __shared__ Number partial[part_lanes][warp_threads];
  const Index j = blockIdx.x * static_cast<Index>(warp_threads) + threadIdx.x;
  Number sum = 0;
  for (Index part = threadIdx.y; j < count && part < parts; part += part_lanes) sum += sums[part * count + j];
  partial[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || j >= count) return;
  for (int lane = 1; lane < part_lanes; ++lane) sum += partial[lane][threadIdx.x];
  into[j] += sum;
}

// Whether packs of `group` elements of each view's rows can be read at once.
template <class... Views>
bool in_packs(Index group, const View<const float, 1, Cuda>& weight, const Views&... views) {
  const auto begins_at = [](const auto* data, std::size_t bytes) {
    return reinterpret_cast<std::uintptr_t>(data) % bytes == 0;
  };
  const auto fits = [&](const auto& view) {
    constexpr int width =
        pack_width<std::remove_const_t<typename std::remove_cvref_t<decltype(view)>::Value>>;
    return group % width == 0 && view.pitch % width == 0 && begins_at(view.data, 16) &&
           begins_at(weight.data, width * sizeof(float));
  };
  return (fits(views) && ...);
}

// Calls launch(threads of a group, aligned) with constants.
template <class T, class Launch>
void choose(Index group, bool aligned, Launch&& launch) {
  const auto with = [&]<int Threads>(std::integral_constant<int, Threads> threads) {
    aligned ? launch(threads, std::true_type{}) : launch(threads, std::false_type{});
  };
  const Index packs = (group + pack_width<T> - 1) / pack_width<T>;
  if (packs <= 8)
    with(std::integral_constant<int, 8>{});
  else if (packs <= 16)
    with(std::integral_constant<int, 16>{});
  else if (group <= warp_elements)
    with(std::integral_constant<int, warp_threads>{});
  else
    with(std::integral_constant<int, block_threads>{});
}

inline unsigned blocks_for(Index groups, int threads) {
  const Index each = block_threads / threads;
  return static_cast<unsigned>((groups + each - 1) / each);
}

// How the weight's gradient is taken apart.
struct WeightParts {
  unsigned lanes = warp_threads / 4, strips, columns, parts;
  WeightParts(Index packs, Index groups) {
    while (lanes < block_threads && lanes < packs) lanes *= 2;
    strips = block_threads / lanes;
    columns = static_cast<unsigned>((packs + lanes - 1) / lanes);
    parts = static_cast<unsigned>((groups + strips * strip_groups - 1) / (strips * strip_groups));
  }
};
template <class T>
WeightParts weight_parts(const RmsNormBackward<Cuda, T>& op) {
  const Index group = op.weight.rows();
  return {(group + pack_width<T> - 1) / pack_width<T>, op.x.rows() * (op.x.extent[1] / group)};
}

}  // namespace vlm::cuda

namespace vlm {

template <class T>
void compute(Queue<Cuda>& queue, const RmsNormForward<Cuda, T>& op, Scratch) {
  const Index group = op.weight.rows(), groups = op.x.extent[1] / group, all = op.x.rows() * groups;
  if (all == 0) return;
  cuda::choose<T>(group, cuda::in_packs(group, op.weight, op.x, op.y), [&](auto threads, auto aligned) {
    cuda::rms_norm_forward<T, threads(), aligned()>
        <<<cuda::blocks_for(all, threads()), cuda::block_threads, 0, queue.stream()>>>(op, group, groups);
  });
  cuda::check_launch("RmsNormForward", op.x.rows(), op.x.extent[1]);
}

template <class T>
std::size_t scratch_bytes(const Queue<Cuda>&, const RmsNormBackward<Cuda, T>& op) {
  if (!op.dweight) return 0;
  return cuda::weight_parts(op).parts * static_cast<std::size_t>(op.weight.rows()) * sizeof(float);
}

template <class T>
void compute(Queue<Cuda>& queue, const RmsNormBackward<Cuda, T>& op, Scratch scratch) {
  const Index group = op.weight.rows(), groups = op.x.extent[1] / group, all = op.x.rows() * groups;
  if (all == 0) return;
  // The weight's gradient first: dx may overwrite dy.
  if (op.dweight) {
    const cuda::WeightParts p = cuda::weight_parts(op);
    const dim3 grid(p.parts, p.columns), block(p.lanes, p.strips);
    float* sums = scratch.as<float>();
    if (cuda::in_packs(group, op.weight, op.x, op.dy))
      cuda::rms_norm_weight_parts<T, true><<<grid, block, 0, queue.stream()>>>(op, group, groups, sums);
    else
      cuda::rms_norm_weight_parts<T, false><<<grid, block, 0, queue.stream()>>>(op, group, groups, sums);
    const auto warps = static_cast<unsigned>((group + cuda::warp_threads - 1) / cuda::warp_threads);
    cuda::add_parts<float><<<warps, dim3(cuda::warp_threads, cuda::part_lanes), 0, queue.stream()>>>(
        sums, p.parts, group, op.dweight.data);
  }
  if (op.dx)
    cuda::choose<T>(group, cuda::in_packs(group, op.weight, op.x, op.dy, op.dx),
                    [&](auto threads, auto aligned) {
                      cuda::rms_norm_backward_input<T, threads(), aligned()>
                          <<<cuda::blocks_for(all, threads()), cuda::block_threads, 0, queue.stream()>>>(
                              op, group, groups);
                    });
  cuda::check_launch("RmsNormBackward", op.x.rows(), op.x.extent[1]);
}

}  // namespace vlm
