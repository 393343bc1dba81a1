// RMSNorm on a GPU beside the rate at which the same device copies memory, in interleaved rounds. One JSON line for each
// row: bytes are each input read once and each output written once, times are of single calls between events.
//   rms_norm [--rounds N]
#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#include <vlm/core/random.hpp>
#include <vlm/cuda.cuh>

namespace {

using namespace vlm;

void require(cudaError_t status) {
  if (status == cudaSuccess) return;
  std::fprintf(stderr, "CUDA: %s\n", cudaGetErrorString(status));
  std::exit(1);
}

// Memory that is filled with normal numbers, since zeros run faster than data.
template <class T>
class Tensor {
 public:
  explicit Tensor(Index rows, Index columns = 1) : shape_{{rows, columns}} {
    const auto count = static_cast<std::size_t>(shape_.count());
    require(cudaMalloc(reinterpret_cast<void**>(&data_), count * sizeof(T)));
    const Random random(11, "rms_norm");
    std::vector<T> some(1 << 20);
    for (std::size_t i = 0; i < some.size(); ++i) some[i] = static_cast<T>(random.normal(i));
    for (std::size_t at = 0; at < count; at += some.size())
      require(cudaMemcpy(data_ + at, some.data(), std::min(some.size(), count - at) * sizeof(T),
                         cudaMemcpyHostToDevice));
  }
  Tensor(Tensor&& other) noexcept : data_(std::exchange(other.data_, nullptr)), shape_(other.shape_) {}
  ~Tensor() { cudaFree(data_); }
  T* data() const { return data_; }
  View<T, 2, Cuda> view() const { return {data_, shape_}; }
  View<T, 1, Cuda> list() const { return {data_, Shape<1>{{shape_.count()}}}; }

 private:
  T* data_ = nullptr;
  Shape<2> shape_;
};

// Milliseconds of each round: median, and the tenth and ninetieth of a hundred.
struct Times {
  std::vector<float> rounds;
  float at(double share) const {
    std::vector<float> sorted = rounds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1) + 0.5)];
  }
};

class Clock {
 public:
  Clock() {
    require(cudaEventCreate(&begin_));
    require(cudaEventCreate(&end_));
  }
  ~Clock() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  float milliseconds(const std::function<void()>& work) const {
    float result = 0;
    require(cudaEventRecord(begin_));
    work();
    require(cudaEventRecord(end_));
    require(cudaEventSynchronize(end_));
    require(cudaEventElapsedTime(&result, begin_, end_));
    return result;
  }

 private:
  cudaEvent_t begin_{}, end_{};
};

// `sets` of operands take turns, so that none is still in the cache.
constexpr int sets = 4;

template <class T>
class Rows {
 public:
  Rows(const char* dtype, Index rows, Index group, Index groups, int rounds)
      : dtype_(dtype),
        rows_(rows),
        group_(group),
        groups_(groups),
        rounds_(rounds),
        weight_(group),
        dweight_(group) {
    for (int set = 0; set < sets; ++set) {
      for (std::vector<Tensor<T>>* one : {&x_, &dy_, &out_}) one->emplace_back(rows, group * groups);
      rstd_.emplace_back(rows, groups);
    }
  }
  void run() {
    const double elements = static_cast<double>(rows_ * group_ * groups_), size = sizeof(T),
                 roots = 4.0 * static_cast<double>(rows_ * groups_);
    row("forward", elements * 2 * size + roots, [&](std::size_t set) {
      compute(queue_,
              RmsNormForward<Cuda, T>{.x = x_[set].view(),
                                      .weight = weight_.list(),
                                      .y = out_[set].view(),
                                      .rstd = rstd_[set].view()},
              Scratch{});
    });
    const auto backward = [&](std::size_t set, bool with_weight) {
      return RmsNormBackward<Cuda, T>{.dy = dy_[set].view(),
                                      .x = x_[set].view(),
                                      .weight = weight_.list(),
                                      .rstd = rstd_[set].view(),
                                      .dx = out_[set].view(),
                                      .dweight = with_weight ? dweight_.list() : View<float, 1, Cuda>()};
    };
    const std::size_t bytes = scratch_bytes(queue_, backward(0, true));
    const Tensor<float> scratch(static_cast<Index>(bytes / sizeof(float)));
    row("backward", elements * 3 * size + roots,
        [&](std::size_t set) { compute(queue_, backward(set, false), Scratch{}); });
    row("backward with weight", elements * 3 * size + roots, [&](std::size_t set) {
      compute(queue_, backward(set, true), Scratch{reinterpret_cast<std::byte*>(scratch.data()), bytes});
    });
  }

 private:
  template <class Work>
  void row(const char* name, double bytes, Work&& work) {
    const auto copied = static_cast<std::size_t>(rows_ * group_ * groups_) * sizeof(T);
    Times ours, copies;
    for (int round = -3; round < rounds_; ++round) {
      const auto set = static_cast<std::size_t>(round + 3) % sets;
      const float one = clock_.milliseconds([&] { work(set); });
      const float copy = clock_.milliseconds([&] {
        require(cudaMemcpyAsync(out_[set].data(), x_[set].data(), copied, cudaMemcpyDeviceToDevice));
      });
      if (round < 0) continue;
      ours.rounds.push_back(one);
      copies.rounds.push_back(copy);
    }
    const double rate = 1e-6 * bytes / ours.at(0.5),
                 ceiling = 2e-6 * static_cast<double>(copied) / copies.at(0.5);
    std::printf(
        "{\"name\": \"RmsNorm %s\", \"shape\": \"%lldx%lldx%lld\", \"dtype\": \"%s\", \"deterministic\": "
        "true, "
        "\"bytes\": %.0f, \"milliseconds\": %.5f, \"p10\": %.5f, \"p90\": %.5f, \"unit\": \"GB/s\", "
        "\"ours\": %.1f, \"ceiling\": %.1f, \"against\": \"copy\", \"ratio\": %.3f}\n",
        name, static_cast<long long>(rows_), static_cast<long long>(groups_), static_cast<long long>(group_),
        dtype_, bytes, ours.at(0.5), ours.at(0.1), ours.at(0.9), rate, ceiling, rate / ceiling);
  }

  const char* dtype_;
  Index rows_, group_, groups_;
  int rounds_;
  Tensor<float> weight_, dweight_;
  std::vector<Tensor<T>> x_, dy_, out_;
  std::vector<Tensor<float>> rstd_;
  Queue<Cuda> queue_;
  Clock clock_;
};

}  // namespace

int main(int count, char** arguments) {
  int rounds = 50;
  if (count == 3 && std::strcmp(arguments[1], "--rounds") == 0) {
    rounds = std::atoi(arguments[2]);
  } else if (count != 1) {
    std::printf("%s [--rounds N]\n", arguments[0]);
    return count == 2 && std::strcmp(arguments[1], "--help") == 0 ? 0 : 2;
  }
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::fprintf(stderr, "skipped: this machine has no CUDA device\n");
    return 77;
  }
  for (const auto& [rows, group, groups] :
       {std::array<Index, 3>{8192, 4096, 1}, {8192, 2048, 1}, {8192, 128, 32}}) {
    Rows<bf16>("bf16", rows, group, groups, rounds).run();
    Rows<float>("f32", rows, group, groups, rounds).run();
  }
}
