// LayerParameters: memory for the parameters of a layer or block that belongs to no model. Values are drawn from a seed
// and the names; only parameters that train have gradients.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <vlm/core/buffer.hpp>
#include <vlm/core/error.hpp>
#include <vlm/nn/init.hpp>
#include <vlm/nn/visit.hpp>

namespace vlm {

class LayerParameters {
 public:
  struct Tensor {
    std::string name;
    std::vector<Index> shape;
    std::span<float> value, gradient;  // the gradient is empty where the parameter is frozen
  };

  // Binds every parameter of `layer`, which must not outlive this. `deviation` is that of normally drawn values.
  // Throws ConfigError [layer-size] where a size is negative or the sum of all is past counting.
  template <class L>
  explicit LayerParameters(L& layer, std::uint64_t seed = 0, float deviation = 0.02f) {
    std::size_t values = 0, gradients = 0;
    walk(layer, "", [&](const std::string& name, auto& param) {
      const std::size_t size = padded_count(name, param);
      values += size;
      if constexpr (is_trained<decltype(param)>) gradients += size;
    });
    values_ = Buffer<Cpu>(values * sizeof(float));
    gradients_ = Buffer<Cpu>(gradients * sizeof(float));
    float* value = reinterpret_cast<float*>(values_.data());
    float* gradient = reinterpret_cast<float*>(gradients_.data());
    walk(layer, "", [&](const std::string& name, auto& param) {
      const std::size_t size = padded_count(name, param),
                        count = static_cast<std::size_t>(param.shape().count());
      Tensor tensor{.name = name, .shape = param.stored_shape(), .value = {value, count}, .gradient = {}};
      initialise(tensor.value, param.initial(), seed, name, deviation);
      param.bind(value, DType::F32);
      value += size;
      if constexpr (is_trained<decltype(param)>) {
        tensor.gradient = {gradient, count};
        param.bind_gradient(gradient);
        gradient += size;
      }
      tensors_.push_back(std::move(tensor));
    });
  }

  const std::vector<Tensor>& tensors() const { return tensors_; }
  void zero_gradients() {
    if (gradients_.size() > 0) std::memset(gradients_.data(), 0, gradients_.size());
  }
  std::size_t gradient_bytes() const { return gradients_.size(); }

 private:
  template <class P>
  static constexpr bool is_trained = std::remove_cvref_t<P>::trained;

  // Elements, rounded up to whole cache lines.
  template <class P>
  static std::size_t padded_count(const std::string& name, const P& param) {
    constexpr Index most = std::numeric_limits<Index>::max() >> 20;
    Index count = 1;
    for (Index size : param.shape().extent)
      if (size < 0 || __builtin_mul_overflow(count, size, &count) || count > most)
        throw ConfigError("layer-size", {{"tensor", name},
                                         {"expected", "sizes that memory can hold"},
                                         {"got", shape_text(param.shape())},
                                         {"try", "the sizes with which the layer was made"}});
    return (static_cast<std::size_t>(count) + 15) / 16 * 16;
  }

  Buffer<Cpu> values_, gradients_;
  std::vector<Tensor> tensors_;
};

}  // namespace vlm
