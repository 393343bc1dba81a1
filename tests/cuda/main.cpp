// RMSNorm on CUDA, called from a program that the C++ compiler built. Returns 77 (skipped) where
// there is no GPU.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <vector>

#include <vlm/core/random.hpp>
#include <vlm/ops/rms_norm.hpp>

const char* first_name_seen_by_nvcc();

namespace {

using namespace vlm;

// Managed by hand: the buffers of the library serve CUDA later.
template <class T>
struct DeviceVector {
  T* data = nullptr;
  std::size_t count;
  explicit DeviceVector(const std::vector<T>& values) : count(values.size()) {
    cudaMalloc(reinterpret_cast<void**>(&data), count * sizeof(T));
    cudaMemcpy(data, values.data(), count * sizeof(T), cudaMemcpyHostToDevice);
  }
  ~DeviceVector() { cudaFree(data); }
  std::vector<T> read() const {
    std::vector<T> values(count);
    cudaMemcpy(values.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost);
    return values;
  }
};

double error_of(const std::vector<float>& ours, const std::vector<double>& reference) {
  double difference = 0, largest = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(ours[i]) - reference[i]));
    largest = std::max(largest, std::abs(reference[i]));
  }
  return difference / largest;
}

// Forward and backward against double precision; the largest relative error.
double check(Index rows, Index group, Index groups) {
  const Index features = group * groups;
  const Random random(7, "rms_norm");
  std::vector<float> x(static_cast<std::size_t>(rows * features)), dy(x.size()),
      weight(static_cast<std::size_t>(group));
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = random.normal(2 * i);
    dy[i] = random.normal(2 * i + 1);
  }
  for (std::size_t j = 0; j < weight.size(); ++j) weight[j] = 1 + 0.2f * random.normal(1000000 + j);
  std::vector<double> y(x.size()), dx(x.size()), dweight(weight.size());
  for (Index i = 0; i < rows * groups; ++i) {
    const auto at = static_cast<std::size_t>(i * group);
    double squares = 0, sum = 0;
    for (std::size_t j = 0; j < weight.size(); ++j) {
      squares += static_cast<double>(x[at + j]) * x[at + j];
      sum += static_cast<double>(dy[at + j]) * weight[j] * x[at + j];
    }
    const double rstd = 1 / std::sqrt(squares / static_cast<double>(group) + 1e-6);
    for (std::size_t j = 0; j < weight.size(); ++j) {
      y[at + j] = x[at + j] * rstd * weight[j];
      dx[at + j] =
          dy[at + j] * weight[j] * rstd - x[at + j] * rstd * rstd * rstd * sum / static_cast<double>(group);
      dweight[j] += dy[at + j] * x[at + j] * rstd;
    }
  }
  const DeviceVector<float> device_x(x), device_dy(dy), device_weight(weight),
      device_y(std::vector<float>(x.size()));
  const DeviceVector<float> rstd(std::vector<float>(static_cast<std::size_t>(rows * groups)));
  const DeviceVector<float> device_dx(std::vector<float>(x.size())),
      device_dweight(std::vector<float>(weight.size()));
  const View<const float, 2, Cuda> x_view(device_x.data, Shape<2>{{rows, features}});
  const View<const float, 1, Cuda> weight_view(device_weight.data, Shape<1>{{group}});
  const View<float, 2, Cuda> rstd_view(rstd.data, Shape<2>{{rows, groups}});
  Queue<Cuda> queue;
  compute(queue,
          RmsNormForward<Cuda, float>{.x = x_view,
                                      .weight = weight_view,
                                      .y = {device_y.data, Shape<2>{{rows, features}}},
                                      .rstd = rstd_view},
          Scratch{});
  const RmsNormBackward<Cuda, float> backward{.dy = {device_dy.data, Shape<2>{{rows, features}}},
                                              .x = x_view,
                                              .weight = weight_view,
                                              .rstd = rstd_view,
                                              .dx = {device_dx.data, Shape<2>{{rows, features}}},
                                              .dweight = {device_dweight.data, Shape<1>{{group}}}};
  const std::size_t bytes = scratch_bytes(queue, backward);
  const DeviceVector<std::byte> scratch{std::vector<std::byte>(bytes)};
  compute(queue, backward, Scratch{scratch.data, bytes});
  cudaDeviceSynchronize();
  return std::max({error_of(device_y.read(), y), error_of(device_dx.read(), dx),
                   error_of(device_dweight.read(), dweight)});
}

}  // namespace

int main() {
  if (std::strcmp(first_name_seen_by_nvcc(), "input_layernorm.weight") != 0) {
    std::puts("nvcc sees another name than 'input_layernorm.weight'");
    return 1;
  }
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("skipped: this machine has no CUDA device");
    return 77;
  }
  int failures = 0;
  for (const auto& [rows, group, groups] :
       {std::array<Index, 3>{1, 8, 1}, {37, 2048, 1}, {512, 128, 16}, {129, 72, 3}}) {
    const double error = check(rows, group, groups);
    failures += !(error <= 1e-5);
    std::printf("RmsNorm [rows %lld, groups %lld of %lld] error %.2e %s\n", static_cast<long long>(rows),
                static_cast<long long>(groups), static_cast<long long>(group), error,
                error <= 1e-5 ? "ok" : "FAILED");
  }
  return failures > 0;
}
