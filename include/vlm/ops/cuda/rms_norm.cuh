// Root-mean-square norm on CUDA. One block takes one group of features of one row, so a row's bits do not
// depend on others; bound by memory. The weight's gradient is summed in fixed parts of rows, then over the
// parts in order.
#pragma once

#include <cuda_runtime.h>

#include <string>

#include <vlm/core/dtype.hpp>
#include <vlm/core/error.hpp>
#include <vlm/ops/rms_norm.hpp>

namespace vlm::cuda {

inline constexpr int block_threads = 256;
inline constexpr Index rows_per_part = 128;

inline void check_launch(const char* operation, Index rows, Index features) {
  if (const cudaError_t status = cudaGetLastError(); status != cudaSuccess)
    throw DeviceError("cuda", {{"operation", std::string(operation) + " [rows " + std::to_string(rows) +
                                                 ", features " + std::to_string(features) + "]"},
                               {"got", cudaGetErrorString(status)},
                               {"try", "a driver and a device that fit this build"}});
}

// The sum over the block's threads, in a fixed tree, known to every thread.
__device__ inline float block_sum(float value) {
  __shared__ float warp_sums[block_threads / 32];
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_down_sync(0xffffffffu, value, offset);
  __syncthreads();
  if (threadIdx.x % 32 == 0) warp_sums[threadIdx.x / 32] = value;
  __syncthreads();
  float total = 0;
  for (int warp = 0; warp < block_threads / 32; ++warp) total += warp_sums[warp];
  return total;
}

template <class T>
__global__ void rms_norm_forward(RmsNormForward<Cuda, T> op, Index group, Index groups) {
  const Index row = blockIdx.x / groups, part = blockIdx.x % groups;
  const T* x = op.x.row(row) + part * group;
  T* y = op.y.row(row) + part * group;
  float squares = 0;
  for (Index j = threadIdx.x; j < group; j += blockDim.x) {
    const float value = static_cast<float>(x[j]);
    squares += value * value;
  }
  const float factor = rsqrtf(block_sum(squares) / static_cast<float>(group) + op.eps);
  if (op.rstd && threadIdx.x == 0) op.rstd(row, part) = factor;
  for (Index j = threadIdx.x; j < group; j += blockDim.x)
    y[j] =
        static_cast<T>(static_cast<float>(static_cast<T>(static_cast<float>(x[j]) * factor)) * op.weight(j));
}

// dx = rstd * (w dy) - x * rstd^3 / n * sum(w dy x)
template <class T>
__global__ void rms_norm_backward_input(RmsNormBackward<Cuda, T> op, Index group, Index groups) {
  const Index row = blockIdx.x / groups, part = blockIdx.x % groups;
  const T* x = op.x.row(row) + part * group;
  const T* dy = op.dy.row(row) + part * group;
  T* dx = op.dx.row(row) + part * group;
  float sum = 0;
  for (Index j = threadIdx.x; j < group; j += blockDim.x)
    sum += static_cast<float>(dy[j]) * op.weight(j) * static_cast<float>(x[j]);
  const float factor = op.rstd(row, part);
  const float slope = block_sum(sum) * factor * factor * factor / static_cast<float>(group);
  for (Index j = threadIdx.x; j < group; j += blockDim.x)
    dx[j] =
        static_cast<T>(static_cast<float>(dy[j]) * op.weight(j) * factor - static_cast<float>(x[j]) * slope);
}

// sums[part][j] = sum over a part's rows and groups of dy * x * rstd
template <class T>
__global__ void rms_norm_weight_parts(RmsNormBackward<Cuda, T> op, Index group, Index groups, float* sums) {
  const Index j = blockIdx.x * static_cast<Index>(blockDim.x) + threadIdx.x;
  if (j >= group) return;
  const Index first = blockIdx.y * rows_per_part;
  const Index end = first + rows_per_part < op.x.rows() ? first + rows_per_part : op.x.rows();
  float sum = 0;
  for (Index row = first; row < end; ++row)
    for (Index part = 0; part < groups; ++part) {
      const Index at = part * group + j;
      sum += static_cast<float>(op.dy(row, at)) * static_cast<float>(op.x(row, at)) * op.rstd(row, part);
    }
  sums[blockIdx.y * group + j] = sum;
}

// A template only so that several translation units may hold it.
template <class Number>
__global__ void add_parts(const Number* sums, Index parts, Index count, Number* into) {
  const Index j = blockIdx.x * static_cast<Index>(blockDim.x) + threadIdx.x;
  if (j >= count) return;
  for (Index part = 0; part < parts; ++part) into[j] += sums[part * count + j];
}

}  // namespace vlm::cuda

namespace vlm {

template <class T>
void compute(Queue<Cuda>& queue, const RmsNormForward<Cuda, T>& op, Scratch) {
  const Index group = op.weight.rows(), groups = op.x.extent[1] / group;
  if (op.x.rows() == 0) return;
  cuda::rms_norm_forward<T>
      <<<static_cast<unsigned>(op.x.rows() * groups), cuda::block_threads, 0, queue.stream()>>>(op, group,
                                                                                                groups);
  cuda::check_launch("RmsNormForward", op.x.rows(), op.x.extent[1]);
}

template <class T>
std::size_t scratch_bytes(const Queue<Cuda>&, const RmsNormBackward<Cuda, T>& op) {
  const Index parts = (op.x.rows() + cuda::rows_per_part - 1) / cuda::rows_per_part;
  return op.dweight ? static_cast<std::size_t>(parts * op.weight.rows()) * sizeof(float) : 0;
}

template <class T>
void compute(Queue<Cuda>& queue, const RmsNormBackward<Cuda, T>& op, Scratch scratch) {
  const Index group = op.weight.rows(), groups = op.x.extent[1] / group, rows = op.x.rows();
  if (rows == 0) return;
  // The weight's gradient first: dx may overwrite dy.
  if (op.dweight) {
    const Index parts = (rows + cuda::rows_per_part - 1) / cuda::rows_per_part;
    const auto blocks = static_cast<unsigned>((group + cuda::block_threads - 1) / cuda::block_threads);
    float* sums = scratch.as<float>();
    cuda::rms_norm_weight_parts<T>
        <<<dim3(blocks, static_cast<unsigned>(parts)), cuda::block_threads, 0, queue.stream()>>>(
            op, group, groups, sums);
    cuda::add_parts<float>
        <<<blocks, cuda::block_threads, 0, queue.stream()>>>(sums, parts, group, op.dweight.data);
  }
  if (op.dx)
    cuda::rms_norm_backward_input<T>
        <<<static_cast<unsigned>(rows * groups), cuda::block_threads, 0, queue.stream()>>>(op, group, groups);
  cuda::check_launch("RmsNormBackward", rows, op.x.extent[1]);
}

}  // namespace vlm
