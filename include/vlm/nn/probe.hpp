// A layer with memory of its own: drawn values, an input, gradients. What the gradient checker works on.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <vlm/core/random.hpp>
#include <vlm/nn/layer.hpp>
#include <vlm/nn/visit.hpp>

namespace vlm {

struct GradientSettings {
  Index rows = 5, features = 0;  // of the input
  // What attention layers read: borders, and rotary tables [rows, head_dim / 2]. Without borders all
  // rows are one sequence.
  Sequences<Cpu> sequences{};
  std::uint64_t seed = 1;
  Index elements = 16;      // compared per tensor; the steepest one is among them
  double step = 2e-2;       // of values drawn around 1
  double tolerance = 5e-3;  // of the largest gradient in the same tensor
};

namespace detail {

// A layer with memory: values drawn from the seed, gradients that hold something already.
template <class L>
class LayerProbe {
 public:
  using E = typename L::Environment;
  static_assert(std::is_same_v<typename E::Device, Cpu> && std::is_same_v<typename E::T, float>,
                "vlm: gradients are checked on the Cpu in F32.");
  static_assert(Differentiable<L, E>,
                "vlm: a gradient check needs a layer with forward, backward, out_shape and visit.");
  struct Tensor {
    std::string name;
    std::vector<float> value, gradient;
    float scale = 1;  // of the values
  };

  LayerProbe(L layer, const GradientSettings& settings) : layer_(std::move(layer)), settings_(settings) {
    tensors.push_back(draw("x", settings.rows * settings.features, 0, 1));
    walk(layer_, "", [&](const std::string& name, auto& param) {
      const auto& shape = param.shape();
      using Parameter = std::remove_cvref_t<decltype(param)>;
      Index count = 1;
      for (Index size : shape.extent) count *= size;
      float scale = 0.2f;
      if constexpr (Parameter::rank > 1) scale = 1 / std::sqrt(static_cast<float>(shape[1]));
      Tensor& tensor =
          tensors.emplace_back(draw(name, count, param.initial() == Initial::One ? 1.0f : 0.0f, scale));
      param.bind(tensor.value.data(), DType::F32);
      if constexpr (Parameter::trained) {
        tensor.gradient.assign(tensor.value.size(), 0);
        param.bind_gradient(tensor.gradient.data());
      }
    });
    const Shape<2> shape = layer_.out_shape(settings.rows);
    y.resize(static_cast<std::size_t>(shape.count()));
    projection = draw("y", shape.count(), 0, 1).value;
    borders_ = {0, static_cast<std::int32_t>(settings.rows)};
  }

  // Forward and backward into `gradient` of every tensor; Dx may be Nothing.
  template <class Dx = View<float, 2, Cpu>>
  void differentiate(Runtime<Cpu>& s) {
    std::fill(tensors.front().gradient.begin(), tensors.front().gradient.end(),
              std::numeric_limits<float>::quiet_NaN());
    run(s, [&](const typename L::Saved& saved) {
      if constexpr (wanted<Dx>)
        layer_.backward(s, saved, output(projection), input(tensors.front().gradient));
      else
        layer_.backward(s, saved, output(projection), nothing);
    });
  }
  // f at the values as they are.
  double objective(Runtime<Cpu>& s) {
    run(s, [](const typename L::Saved&) {});
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i)
      sum += static_cast<double>(y[i]) * static_cast<double>(projection[i]);
    return sum;
  }

  std::list<Tensor> tensors;  // x, then the parameters; a frozen one has no gradient
  std::vector<float> y, projection;

 private:
  Tensor draw(const std::string& name, Index count, float middle, float scale) const {
    Tensor tensor{.name = name, .value = {}, .gradient = {}, .scale = scale};
    const Random random(settings_.seed, name);
    for (Index i = 0; i < count; ++i)
      tensor.value.push_back(middle + scale * random.normal(static_cast<std::uint64_t>(i)));
    if (name == "x") tensor.gradient.resize(tensor.value.size());
    return tensor;
  }
  View<float, 2, Cpu> input(std::vector<float>& values) const {
    return {values.data(), Shape<2>{{settings_.rows, settings_.features}}};
  }
  View<float, 2, Cpu> output(std::vector<float>& values) const {
    return {values.data(), layer_.out_shape(settings_.rows)};
  }

  // Forward, then `rest` with what it saved. Memory holds NaNs before: nothing may rely on zeros.
  template <class Rest>
  void run(Runtime<Cpu>& s, Rest&& rest) {
    const auto pass = [&] {
      s.sequences() = settings_.sequences;
      if (!s.sequences().query_offsets) s.sequences().query_offsets = {borders_.data(), Shape<1>{{2}}};
      typename L::Saved saved;
      layer_.forward(s, input(tensors.front().value), output(y), saved);
      rest(saved);
    };
    s.plan(pass);
    const auto given_back = s.scope();
    {
      const auto all = s.scope();
      const auto bytes = static_cast<Index>(s.reserved_bytes());
      std::memset(s.template scratch<std::byte>(bytes).data, 0xff, static_cast<std::size_t>(bytes));
    }
    pass();
  }

  L layer_;
  GradientSettings settings_;
  std::vector<std::int32_t> borders_;
};

}  // namespace detail

}  // namespace vlm
