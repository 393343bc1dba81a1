// RMSNorm on CUDA, called from a program that the C++ compiler built. Returns 77 (skipped) where
// there is no GPU.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <vlm/core/dtype.hpp>
#include <vlm/core/random.hpp>
#include <vlm/ops/rms_norm.hpp>

const char* first_name_seen_by_nvcc();

namespace {

using namespace vlm;

void require(cudaError_t status) {
  if (status == cudaSuccess) return;
  std::printf("CUDA: %s\n", cudaGetErrorString(status));
  std::exit(1);
}

// Managed by hand: the buffers of the library serve CUDA later.
template <class T>
struct DeviceVector {
  T* data = nullptr;
  std::size_t count;
  explicit DeviceVector(const std::vector<T>& values) : count(values.size()) {
    require(cudaMalloc(reinterpret_cast<void**>(&data), count * sizeof(T)));
    require(cudaMemcpy(data, values.data(), count * sizeof(T), cudaMemcpyHostToDevice));
  }
  ~DeviceVector() { cudaFree(data); }
  std::vector<T> read() const {
    std::vector<T> values(count);
    require(cudaMemcpy(values.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }
};

template <class T>
double error_of(const std::vector<T>& ours, const std::vector<double>& reference) {
  double difference = 0, largest = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double one = std::abs(static_cast<double>(static_cast<float>(ours[i])) - reference[i]);
    if (!(one <= difference)) difference = one;  // also NaN
    largest = std::max(largest, std::abs(reference[i]));
  }
  return difference / largest;
}

// Rows of features, whose groups begin `gap` elements into each row.
struct Case {
  Index rows, group, groups, gap;
  Index features() const { return group * groups; }
  Index pitch() const { return features() + gap; }
};

// What the operations compute: y, dx, the weight's gradient.
template <class T>
struct Results {
  std::vector<T> y, dx;
  std::vector<float> dweight;
  bool operator==(const Results&) const = default;
};

template <class T>
Results<T> compute_on_device(const Case& c, const std::vector<T>& x, const std::vector<T>& dy,
                             const std::vector<float>& weight) {
  const std::vector<T> poison(static_cast<std::size_t>(c.rows * c.features()), T(NAN));
  const DeviceVector<T> device_x(x), device_dy(dy), device_y(poison), device_dx(poison);
  const DeviceVector<float> device_weight(weight), device_dweight(std::vector<float>(weight.size()));
  const DeviceVector<float> device_rstd(std::vector<float>(static_cast<std::size_t>(c.rows * c.groups), NAN));
  const Shape<2> shape{{c.rows, c.features()}};
  const auto rows_of = [&](const T* data) {
    return View<const T, 2, Cuda>(data, Shape<2>{{c.rows, c.pitch()}}).columns(c.gap, c.features());
  };
  const View<const float, 1, Cuda> weight_view(device_weight.data, Shape<1>{{c.group}});
  const View<float, 2, Cuda> rstd(device_rstd.data, Shape<2>{{c.rows, c.groups}});
  Queue<Cuda> queue;
  compute(queue,
          RmsNormForward<Cuda, T>{
              .x = rows_of(device_x.data), .weight = weight_view, .y = {device_y.data, shape}, .rstd = rstd},
          Scratch{});
  const RmsNormBackward<Cuda, T> backward{.dy = rows_of(device_dy.data),
                                          .x = rows_of(device_x.data),
                                          .weight = weight_view,
                                          .rstd = rstd,
                                          .dx = {device_dx.data, shape},
                                          .dweight = {device_dweight.data, Shape<1>{{c.group}}}};
  const std::size_t bytes = scratch_bytes(queue, backward);
  const DeviceVector<std::byte> scratch{std::vector<std::byte>(bytes, std::byte{0xff})};
  compute(queue, backward, Scratch{scratch.data, bytes});
  require(cudaDeviceSynchronize());
  return {device_y.read(), device_dx.read(), device_dweight.read()};
}

// Forward and backward against double precision, twice with the same bits; the number of failures. A rounding is off by
// `unit` of the value at most: y's normalised value and y itself are rounded, of dx only the result.
template <class T>
int check(const char* dtype, const Case& c, double unit) {
  const Random random(7, "rms_norm");
  std::vector<T> x(static_cast<std::size_t>(c.rows * c.pitch()), T(NAN)), dy(x);
  std::vector<float> weight(static_cast<std::size_t>(c.group));
  std::vector<double> y, dx, dweight(weight.size());
  for (std::size_t j = 0; j < weight.size(); ++j) weight[j] = 1 + 0.2f * random.normal(1000000 + j);
  for (Index row = 0; row < c.rows; ++row)
    for (Index part = 0; part < c.groups; ++part) {
      const auto at = static_cast<std::size_t>(row * c.pitch() + c.gap + part * c.group);
      double squares = 0, sum = 0;
      for (std::size_t j = 0; j < weight.size(); ++j) {
        x[at + j] = T(random.normal(2 * (at + j)));
        dy[at + j] = T(random.normal(2 * (at + j) + 1));
        const double value = static_cast<float>(x[at + j]), slope = static_cast<float>(dy[at + j]);
        squares += value * value;
        sum += slope * weight[j] * value;
      }
      const double count = static_cast<double>(c.group), rstd = 1 / std::sqrt(squares / count + 1e-6);
      for (std::size_t j = 0; j < weight.size(); ++j) {
        const double value = static_cast<float>(x[at + j]), slope = static_cast<float>(dy[at + j]);
        y.push_back(value * rstd * weight[j]);
        dx.push_back(slope * weight[j] * rstd - value * rstd * rstd * rstd * sum / count);
        dweight[j] += slope * value * rstd;
      }
    }
  const Results<T> results = compute_on_device(c, x, dy, weight);
  const bool repeats = results == compute_on_device(c, x, dy, weight);
  constexpr double bar = 1e-5;
  const double error = error_of(results.y, y), slope_error = error_of(results.dx, dx),
               weight_error = error_of(results.dweight, dweight);
  const bool good = error <= bar + 2 * unit && slope_error <= bar + unit && weight_error <= bar && repeats;
  std::printf(
      "RmsNorm %s [rows %lld, groups %lld of %lld, gap %lld] error of y %.2e, dx %.2e, dweight %.2e%s %s\n",
      dtype, static_cast<long long>(c.rows), static_cast<long long>(c.groups),
      static_cast<long long>(c.group), static_cast<long long>(c.gap), error, slope_error, weight_error,
      repeats ? "" : ", other bits the second time", good ? "ok" : "FAILED");
  return !good;
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
  for (const Case& c :
       {Case{1, 8, 1, 0}, Case{37, 2048, 1, 0}, Case{512, 128, 16, 0}, Case{129, 72, 3, 0},
        Case{3, 4099, 1, 0}, Case{70, 100, 2, 3}, Case{5, 2048, 2, 1}, Case{4096, 128, 8, 64}}) {
    failures += check<float>("f32", c, 0);
    failures += check<bf16>("bf16", c, 1.0 / 256);
  }
  return failures > 0;
}
