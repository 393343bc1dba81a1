#include <vlm/nn/moe.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <numeric>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

MoeSizes sizes(Index experts, Index chosen) {
  return {.features = 6, .intermediate = 5, .experts = experts, .chosen = chosen};
}

using Probe = detail::LayerProbe<SparseMoe<TrainedEnv>>;

const std::vector<float>& values(const Probe& probe, const std::string& name) {
  for (const auto& tensor : probe.tensors)
    if (tensor.name == name) return tensor.value;
  throw std::logic_error("no tensor " + name);
}
std::vector<float>& gradient(Probe& probe, const std::string& name) {
  for (auto& tensor : probe.tensors)
    if (tensor.name == name) return tensor.gradient;
  throw std::logic_error("no tensor " + name);
}

struct Routing {
  std::vector<double> probabilities;
  std::vector<std::size_t> chosen;  // by falling probability
};
Routing route(const Probe& probe, const MoeSizes& n, std::size_t row) {
  const auto experts = static_cast<std::size_t>(n.experts), features = static_cast<std::size_t>(n.features);
  const std::vector<float>&x = values(probe, "x"), &gate = values(probe, "gate.weight");
  Routing r;
  double sum = 0;
  for (std::size_t e = 0; e < experts; ++e) {
    double logit = 0;
    for (std::size_t i = 0; i < features; ++i)
      logit += static_cast<double>(x[row * features + i]) * static_cast<double>(gate[e * features + i]);
    r.probabilities.push_back(std::exp(logit));
    sum += r.probabilities.back();
  }
  for (double& p : r.probabilities) p /= sum;
  r.chosen.resize(experts);
  std::iota(r.chosen.begin(), r.chosen.end(), 0u);
  std::sort(r.chosen.begin(), r.chosen.end(),
            [&](std::size_t a, std::size_t b) { return r.probabilities[a] > r.probabilities[b]; });
  r.chosen.resize(static_cast<std::size_t>(n.chosen));
  return r;
}

// What one expert answers to a row, in double, from its definition.
std::vector<double> expert_answer(const Probe& probe, const MoeSizes& n, std::size_t row, std::size_t e) {
  const auto features = static_cast<std::size_t>(n.features),
             width = static_cast<std::size_t>(n.intermediate);
  const std::vector<float>&x = values(probe, "x"), &gate_up = values(probe, "experts.gate_up_proj"),
        &down = values(probe, "experts.down_proj");
  std::vector<double> y(features, 0.0);
  for (std::size_t j = 0; j < width; ++j) {
    double gate = 0, up = 0;
    for (std::size_t i = 0; i < features; ++i) {
      const double xi = static_cast<double>(x[row * features + i]);
      gate += xi * static_cast<double>(gate_up[(e * features + i) * 2 * width + j]);
      up += xi * static_cast<double>(gate_up[(e * features + i) * 2 * width + width + j]);
    }
    const double active = gate / (1 + std::exp(-gate)) * up;
    for (std::size_t i = 0; i < features; ++i)
      y[i] += active * static_cast<double>(down[(e * width + j) * features + i]);
  }
  return y;
}

// The weights of the chosen experts: their probabilities, renormalised.
std::vector<double> weights_of(const Routing& r) {
  double share = 0;
  for (const std::size_t e : r.chosen) share += r.probabilities[e];
  std::vector<double> weights;
  for (const std::size_t e : r.chosen) weights.push_back(r.probabilities[e] / share);
  return weights;
}

// The layer in double, from its definition.
std::vector<double> answer(const Probe& probe, const MoeSizes& n, std::size_t row) {
  const Routing r = route(probe, n, row);
  const std::vector<double> weights = weights_of(r);
  std::vector<double> y(static_cast<std::size_t>(n.features), 0.0);
  for (std::size_t k = 0; k < r.chosen.size(); ++k) {
    const std::vector<double> answered = expert_answer(probe, n, row, r.chosen[k]);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += weights[k] * answered[i];
  }
  return y;
}

// The router's gradient in double, from the derivative of sum(dy y) + coefficient * E * sum_e f_e mean(p_e):
//   dlogit_e = w_e (dy a_e - sum_chosen w dy a) for chosen experts, whose weights are a softmax of their own,
//            + coefficient * E / rows * p_e (f_e - sum f p) for all.
std::vector<double> router_gradient(const Probe& probe, const MoeSizes& n, std::size_t rows,
                                    double coefficient) {
  const auto experts = static_cast<std::size_t>(n.experts), features = static_cast<std::size_t>(n.features);
  std::vector<double> gradient(experts * features, 0.0), shares(experts, 0.0);
  for (std::size_t row = 0; row < rows; ++row)
    for (const std::size_t e : route(probe, n, row).chosen)
      shares[e] += 1.0 / static_cast<double>(rows * static_cast<std::size_t>(n.chosen));
  for (std::size_t row = 0; row < rows; ++row) {
    const Routing r = route(probe, n, row);
    const std::vector<double> weights = weights_of(r);
    std::vector<double> slopes, dlogits(experts, 0.0);
    double mean = 0, balance = 0;
    for (std::size_t k = 0; k < r.chosen.size(); ++k) {
      const std::vector<double> answered = expert_answer(probe, n, row, r.chosen[k]);
      slopes.push_back(0);
      for (std::size_t i = 0; i < features; ++i)
        slopes.back() += answered[i] * static_cast<double>(probe.projection[row * features + i]);
      mean += weights[k] * slopes[k];
    }
    for (std::size_t k = 0; k < r.chosen.size(); ++k) dlogits[r.chosen[k]] = weights[k] * (slopes[k] - mean);
    for (std::size_t e = 0; e < experts; ++e) balance += shares[e] * r.probabilities[e];
    for (std::size_t e = 0; e < experts; ++e) {
      dlogits[e] += coefficient * static_cast<double>(experts) / static_cast<double>(rows) *
                    r.probabilities[e] * (shares[e] - balance);
      for (std::size_t i = 0; i < features; ++i)
        gradient[e * features + i] +=
            dlogits[e] * static_cast<double>(values(probe, "x")[row * features + i]);
    }
  }
  return gradient;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_moe)

BOOST_AUTO_TEST_CASE(gradients) {
  for (const auto& [experts, chosen] : {std::pair<Index, Index>{1, 1}, {4, 1}, {4, 2}, {5, 5}, {16, 3}})
    check_layer(SparseMoe<TrainedEnv>(sizes(experts, chosen)), SparseMoe<PassingEnv>(sizes(experts, chosen)),
                {.rows = 7, .features = 6, .elements = 8});
}

// Softmax over all experts, then the best, then renormalised; not the softmax of the best alone.
BOOST_AUTO_TEST_CASE(pitfall_21_softmax_then_top_k_then_renormalise) {
  const MoeSizes n = sizes(8, 3);
  Probe probe(SparseMoe<TrainedEnv>(n), {.rows = 9, .features = 6});
  Runtime<Cpu> runtime(2);
  probe.objective(runtime);
  for (std::size_t row = 0; row < 9; ++row) {
    const std::vector<double> expected = answer(probe, n, row);
    for (std::size_t i = 0; i < 6; ++i)
      BOOST_TEST(std::abs(static_cast<double>(probe.y[row * 6 + i]) - expected[i]) < 1e-5);
  }
}

// The router's gradient against the derivative of the formula, with and without balancing. With one expert to a row its
// weight is 1 whatever the router says, and without balancing nothing is left to learn.
BOOST_AUTO_TEST_CASE(pitfall_21_router_gradients_by_the_formula) {
  for (const auto& [experts, chosen] : {std::pair<Index, Index>{8, 3}, {4, 2}, {5, 5}, {6, 1}})
    for (const double coefficient : {0.0, 0.25}) {
      constexpr std::size_t rows = 9;
      const MoeSizes n = sizes(experts, chosen);
      Probe probe(SparseMoe<TrainedEnv>(n), {.rows = rows, .features = 6});
      Runtime<Cpu> runtime(2);
      float loss = 0;
      runtime.balance() = {.coefficient = static_cast<float>(coefficient), .loss = {&loss, Shape<1>{{1}}}};
      probe.differentiate(runtime);
      const std::vector<double> expected = router_gradient(probe, n, rows, coefficient);
      double difference = 0, size = 0;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        difference += std::pow(static_cast<double>(gradient(probe, "gate.weight")[i]) - expected[i], 2);
        size += std::pow(expected[i], 2);
      }
      if (chosen == 1 && coefficient == 0)
        BOOST_TEST(difference == 0);
      else
        BOOST_TEST(std::sqrt(difference / size) <= 1e-5, experts << " experts, " << coefficient);
    }
}

// An expert that no row chose has no gradient; one that rows chose has.
BOOST_AUTO_TEST_CASE(only_chosen_experts_learn) {
  const MoeSizes n = sizes(16, 1);
  Probe probe(SparseMoe<TrainedEnv>(n), {.rows = 3, .features = 6});
  Runtime<Cpu> runtime(1);
  probe.differentiate(runtime);
  std::vector<bool> chosen(16, false);
  for (std::size_t row = 0; row < 3; ++row) chosen[route(probe, n, row).chosen[0]] = true;
  const std::vector<float>& down = gradient(probe, "experts.down_proj");
  for (std::size_t e = 0; e < 16; ++e) {
    const bool learns =
        std::any_of(down.begin() + static_cast<std::ptrdiff_t>(e * 30),
                    down.begin() + static_cast<std::ptrdiff_t>(e * 30 + 30), [](float g) { return g != 0; });
    BOOST_TEST(learns == chosen[e]);
  }
}

// What balancing adds to the router's gradient are the differences of coefficient * E * sum of f * p, with p
// of one softmax and the counts f held fixed. Other gradients stay, but for the rows that come in.
BOOST_AUTO_TEST_CASE(balance_loss_by_its_formula) {
  const MoeSizes n = sizes(5, 2);
  constexpr std::size_t rows = 6;
  constexpr double coefficient = 0.3;
  const GradientSettings settings{.rows = rows, .features = 6};
  Probe plain(SparseMoe<TrainedEnv>(n), settings), balanced(SparseMoe<TrainedEnv>(n), settings);
  Runtime<Cpu> runtime(1);
  plain.differentiate(runtime);
  float loss = 0;
  runtime.balance() = {.coefficient = static_cast<float>(coefficient), .loss = {&loss, Shape<1>{{1}}}};
  balanced.differentiate(runtime);

  std::vector<double> shares(5, 0.0);
  for (std::size_t row = 0; row < rows; ++row)
    for (const std::size_t e : route(balanced, n, row).chosen) shares[e] += 1.0 / (2 * rows);
  const auto formula = [&] {
    double sum = 0;
    for (std::size_t row = 0; row < rows; ++row) {
      const Routing r = route(balanced, n, row);
      for (std::size_t e = 0; e < 5; ++e) sum += shares[e] * r.probabilities[e] / rows;
    }
    return coefficient * 5 * sum;
  };
  BOOST_TEST(std::abs(static_cast<double>(loss) - formula()) < 1e-5);
  for (auto& tensor : balanced.tensors) {
    const std::vector<float>& without = gradient(plain, tensor.name);
    if (tensor.name.starts_with("experts.")) {
      BOOST_TEST(same_bits(tensor.gradient, without));
      continue;
    }
    for (std::size_t i = 0; i < tensor.value.size(); ++i) {
      const float middle = tensor.value[i];
      const auto f = [&](double h) {
        tensor.value[i] = static_cast<float>(static_cast<double>(middle) + h);
        return formula();
      };
      const double slope = detail::slope_of(f, 1e-3);
      tensor.value[i] = middle;
      BOOST_TEST(std::abs(static_cast<double>(tensor.gradient[i] - without[i]) - slope) < 1e-4);
    }
  }
}

// A second pass over the same rows counts the same choices again, whose shares stay; the other blocks' counts too.
BOOST_AUTO_TEST_CASE(choices_are_counted_by_block) {
  const MoeSizes n = sizes(5, 2);
  Probe probe(SparseMoe<TrainedEnv>(n), {.rows = 6, .features = 6});
  Runtime<Cpu> runtime(1);
  float alone = 0, first = 0, second = 0;
  std::vector<std::int64_t> counts(3 * 5);
  runtime.balance() = {.coefficient = 1, .loss = {&alone, Shape<1>{{1}}}};
  probe.differentiate(runtime);
  runtime.set_block(1);
  for (float* loss : {&first, &second}) {
    runtime.balance() = {
        .coefficient = 1, .loss = {loss, Shape<1>{{1}}}, .counts = {counts.data(), Shape<2>{{3, 5}}}};
    probe.differentiate(runtime);
  }
  BOOST_TEST(first == alone);
  BOOST_TEST(second == alone);
  for (std::size_t block = 0; block < 3; ++block) {
    const auto begin = counts.begin() + static_cast<std::ptrdiff_t>(5 * block);
    BOOST_TEST(std::accumulate(begin, begin + 5, std::int64_t{0}) == (block == 1 ? 2 * 6 * 2 : 0));
  }
}

BOOST_AUTO_TEST_CASE(pitfall_20_a_uniform_router_costs_one_and_a_peaked_one_more) {
  const auto loss_of = [](float gate) {
    Probe probe(SparseMoe<TrainedEnv>(sizes(4, 1)), {.rows = 5, .features = 6});
    for (auto& tensor : probe.tensors) {
      if (tensor.name == "x") std::fill(tensor.value.begin(), tensor.value.end(), 1.0f);
      if (tensor.name == "gate.weight")
        for (std::size_t i = 0; i < tensor.value.size(); ++i) tensor.value[i] = i < 6 ? gate : 0;
    }
    Runtime<Cpu> runtime(1);
    float loss = 0;
    runtime.balance() = {.coefficient = 1, .loss = {&loss, Shape<1>{{1}}}};
    probe.differentiate(runtime);
    return loss;
  };
  BOOST_TEST(std::abs(loss_of(0) - 1) < 1e-6f);
  // All rows choose expert 0, whose probability is e^6 / (e^6 + 3).
  BOOST_TEST(std::abs(static_cast<double>(loss_of(1)) - 4 * std::exp(6) / (std::exp(6) + 3)) < 1e-5);
}

BOOST_AUTO_TEST_SUITE_END()
