// Root-mean-square norm on CUDA, bound by memory. A group of features is taken by one warp, or by one block where it is
// long, 16 bytes at a time, read at once where memory is aligned so: a row's bits depend on that row alone. The weight's gradient is summed in fixed parts of rows, then over the parts in a fixed order.
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
inline constexpr Index groups_per_part = 128;
inline constexpr int part_lanes = 16;  // threads that add up the parts of one column

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

// The sum over the threads of a group, known to all of them, in a fixed tree.
template <int Threads>
__device__ inline float sum_over(float value) {
  for (int offset = warp_threads / 2; offset > 0; offset /= 2)
    value += __shfl_xor_sync(0xffffffffu, value, offset);
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
    for (int i = 0; i < width; ++i)
      some.values[i] = static_cast<T>(
          static_cast<float>(static_cast<T>(static_cast<float>(some.values[i]) * factor)) * weight.values[i]);
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
      slopes.values[i] = static_cast<T>(static_cast<float>(slopes.values[i]) * weight.values[i] * factor -
                                        static_cast<float>(some.values[i]) * slope);
    write<Aligned>(op.dx.row(row) + part * group, j, group, slopes);
  }
}

// sums[part][j] = sum over a part's groups of dy * x * rstd
template <class T>
__global__ void rms_norm_weight_parts(RmsNormBackward<Cuda, T> op, Index group, Index groups, float* sums) {
  const Index j = blockIdx.x * static_cast<Index>(blockDim.x) + threadIdx.x;
  if (j >= group) return;
  const Index first = blockIdx.y * groups_per_part, all = op.x.rows() * groups;
  const Index end = first + groups_per_part < all ? first + groups_per_part : all;
  float sum = 0;
  for (Index at = first; at < end; ++at) {
    const Index row = at / groups, part = at % groups, column = part * group + j;
    sum +=
        static_cast<float>(op.dy(row, column)) * static_cast<float>(op.x(row, column)) * op.rstd(row, part);
  }
  sums[blockIdx.y * group + j] = sum;
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
template <class Launch>
void choose(Index group, bool aligned, Launch&& launch) {
  using Warp = std::integral_constant<int, warp_threads>;
  using Block = std::integral_constant<int, block_threads>;
  if (group <= warp_elements)
    aligned ? launch(Warp{}, std::true_type{}) : launch(Warp{}, std::false_type{});
  else
    aligned ? launch(Block{}, std::true_type{}) : launch(Block{}, std::false_type{});
}

inline unsigned blocks_for(Index groups, int threads) {
  const Index each = block_threads / threads;
  return static_cast<unsigned>((groups + each - 1) / each);
}
inline Index parts_for(Index groups) { return (groups + groups_per_part - 1) / groups_per_part; }

}  // namespace vlm::cuda

namespace vlm {

template <class T>
void compute(Queue<Cuda>& queue, const RmsNormForward<Cuda, T>& op, Scratch) {
  const Index group = op.weight.rows(), groups = op.x.extent[1] / group, all = op.x.rows() * groups;
  if (all == 0) return;
  cuda::choose(group, cuda::in_packs(group, op.weight, op.x, op.y), [&](auto threads, auto aligned) {
    cuda::rms_norm_forward<T, threads(), aligned()>
        <<<cuda::blocks_for(all, threads()), cuda::block_threads, 0, queue.stream()>>>(op, group, groups);
  });
  cuda::check_launch("RmsNormForward", op.x.rows(), op.x.extent[1]);
}

template <class T>
std::size_t scratch_bytes(const Queue<Cuda>&, const RmsNormBackward<Cuda, T>& op) {
  const Index group = op.weight.rows(), groups = op.x.rows() * (op.x.extent[1] / group);
  return op.dweight ? static_cast<std::size_t>(cuda::parts_for(groups) * group) * sizeof(float) : 0;
}

template <class T>
void compute(Queue<Cuda>& queue, const RmsNormBackward<Cuda, T>& op, Scratch scratch) {
  const Index group = op.weight.rows(), groups = op.x.extent[1] / group, all = op.x.rows() * groups;
  if (all == 0) return;
  // The weight's gradient first: dx may overwrite dy.
  if (op.dweight) {
    const auto parts = static_cast<unsigned>(cuda::parts_for(all));
    const auto blocks = static_cast<unsigned>((group + cuda::block_threads - 1) / cuda::block_threads);
    const auto warps = static_cast<unsigned>((group + cuda::warp_threads - 1) / cuda::warp_threads);
    float* sums = scratch.as<float>();
    cuda::rms_norm_weight_parts<T>
        <<<dim3(blocks, parts), cuda::block_threads, 0, queue.stream()>>>(op, group, groups, sums);
    cuda::add_parts<float><<<warps, dim3(cuda::warp_threads, cuda::part_lanes), 0, queue.stream()>>>(
        sums, parts, group, op.dweight.data);
  }
  if (op.dx)
    cuda::choose(group, cuda::in_packs(group, op.weight, op.x, op.dy, op.dx),
                 [&](auto threads, auto aligned) {
                   cuda::rms_norm_backward_input<T, threads(), aligned()>
                       <<<cuda::blocks_for(all, threads()), cuda::block_threads, 0, queue.stream()>>>(
                           op, group, groups);
                 });
  cuda::check_launch("RmsNormBackward", op.x.rows(), op.x.extent[1]);
}

}  // namespace vlm
