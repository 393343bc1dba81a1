// What every layer owes, checked in one call: gradients, the same bits for any number of threads, frozen
// twins, few rows.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <vlm/nn/check.hpp>
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#endif

namespace vlm::tests {

using TrainedEnv = Env<Cpu, F32, Trained>;
using PassingEnv = Env<Cpu, F32, Passing>;
using InertEnv = Env<Cpu, F32, Inert>;

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

struct Gradient {
  std::string name;
  std::vector<float> values;
};
struct Result {
  std::vector<float> y;
  std::vector<Gradient> gradients;  // of x, then of every trained parameter
};

template <class Dx = View<float, 2, Cpu>, class L>
Result differentiate(const L& layer, const GradientSettings& settings, int threads = 1) {
  detail::LayerProbe<L> probe(layer, settings);
  Runtime<Cpu> runtime(threads);
  probe.template differentiate<Dx>(runtime);
  Result result{.y = probe.y, .gradients = {}};
  for (const auto& tensor : probe.tensors)
    if (tensor.name == "x" || !tensor.gradient.empty())
      result.gradients.push_back({tensor.name, tensor.gradient});
  return result;
}

inline void check_same(const Result& got, const Result& expected, std::size_t from = 0) {
  BOOST_TEST(same_bits(got.y, expected.y));
  BOOST_REQUIRE_EQUAL(got.gradients.size(), expected.gradients.size());
  for (std::size_t i = from; i < got.gradients.size(); ++i) {
    BOOST_TEST(got.gradients[i].name == expected.gradients[i].name);
    BOOST_TEST(same_bits(got.gradients[i].values, expected.gradients[i].values), got.gradients[i].name);
  }
}

// `passing` is the layer with its parameters frozen. Layers that fold take `unit` rows at least.
template <class L, class Frozen>
void check_layer(const L& layer, const Frozen& passing, GradientSettings settings, Index unit = 1) {
  require_gradients(layer, settings);
  const Result expected = differentiate(layer, settings);
  for (int threads : {2, 7}) check_same(differentiate(layer, settings, threads), expected);
  check_same(differentiate<Nothing>(layer, settings), expected, 1);

  const Result frozen = differentiate(passing, settings);
  BOOST_TEST(same_bits(frozen.y, expected.y));
  BOOST_TEST(frozen.gradients.size() == 1u);
  BOOST_TEST(same_bits(frozen.gradients.front().values, expected.gradients.front().values));

  settings.sequences.query_offsets = {};
  settings.rows = unit;
  require_gradients(layer, settings);
  settings.rows = 0;
  const Result none = differentiate(layer, settings);
  BOOST_TEST(none.y.empty());
  for (std::size_t i = 1; i < none.gradients.size(); ++i)
    for (float g : none.gradients[i].values) BOOST_TEST(g == 0.0f);
}

// Rotary tables and borders for attention layers.
struct Packed {
  std::vector<std::int32_t> borders;
  std::vector<float> cosine, sine;
  Index pairs;

  Packed(std::vector<std::int32_t> offsets, Index head_dim)
      : borders(std::move(offsets)), pairs(head_dim / 2) {
    for (Index i = 0; i < borders.back() * pairs; ++i) {
      const float angle = 6.2f * Random(7, "angles").uniform(static_cast<std::uint64_t>(i));
      cosine.push_back(std::cos(angle));
      sine.push_back(std::sin(angle));
    }
  }
  Sequences<Cpu> sequences(bool causal) const {
    const Shape<2> shape{{borders.back(), pairs}};
    return {.query_offsets = {borders.data(), Shape<1>{{static_cast<Index>(borders.size())}}},
            .cosine = {cosine.data(), shape},
            .sine = {sine.data(), shape},
            .causal = causal};
  }
};

}  // namespace vlm::tests
