#include <vlm/nn/loss.hpp>

#include <boost/test/unit_test.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct Rows {
  Index rows, features, vocabulary;
  std::vector<float> hidden, output, weights, dhidden, doutput, log_probabilities, entropies;
  std::vector<std::int32_t> targets;
  double loss = 0;

  Rows(Index r, Index f, Index v) : rows(r), features(f), vocabulary(v) {
    hidden = drawn(r * f, "hidden");
    output = drawn(v * f, "output");
    for (Index i = 0; i < r; ++i) {
      const auto n = static_cast<std::uint64_t>(i);
      weights.push_back(i % 5 == 3 ? 0.0f : 0.1f + Random(5, "weights").uniform(n));
      targets.push_back(
          static_cast<std::int32_t>(Random(5, "targets").below(n, static_cast<std::uint64_t>(v))));
    }
    dhidden.resize(hidden.size(), 77.0f);
    doutput.resize(output.size(), 0.5f);
    log_probabilities.resize(weights.size());
    entropies.resize(weights.size());
  }
  static std::vector<float> drawn(Index count, std::string_view name) {
    std::vector<float> values;
    for (Index i = 0; i < count; ++i)
      values.push_back(Random(5, name).normal(static_cast<std::uint64_t>(i)) * 0.7f);
    return values;
  }

  LanguageLoss<Cpu, float> operation() {
    Matrix<Cpu> matrix(output.data(), DType::F32, vocabulary, features);
    return {.hidden = {hidden.data(), Shape<2>{{rows, features}}},
            .targets = {targets.data(), Shape<1>{{rows}}},
            .weights = {weights.data(), Shape<1>{{rows}}},
            .output = matrix,
            .loss = {&loss, Shape<1>{{1}}},
            .log_probabilities = {log_probabilities.data(), Shape<1>{{rows}}},
            .entropies = {entropies.data(), Shape<1>{{rows}}},
            .dhidden = {dhidden.data(), Shape<2>{{rows, features}}},
            .doutput = {doutput.data(), Shape<2>{{vocabulary, features}}}};
  }
  void run(const LanguageLoss<Cpu, float>& op, int threads = 1) {
    Runtime<Cpu> runtime(threads);
    const auto pass = [&] { run_language_loss(runtime, op); };
    runtime.plan(pass);
    pass();
  }

  // The definitions, in double, for one row.
  double log_probability(Index row) const {
    return logit(row, targets[static_cast<std::size_t>(row)]) - log_sum(row);
  }
  double entropy(Index row) const {
    double sum = 0;
    for (Index v = 0; v < vocabulary; ++v) {
      const double log_of_one = logit(row, v) - log_sum(row);
      sum -= std::exp(log_of_one) * log_of_one;
    }
    return sum;
  }
  double log_sum(Index row) const {
    double sum = 0;
    for (Index v = 0; v < vocabulary; ++v) sum += std::exp(logit(row, v));
    return std::log(sum);
  }
  double logit(Index row, Index v) const {
    double sum = 0;
    for (Index i = 0; i < features; ++i)
      sum += static_cast<double>(hidden[static_cast<std::size_t>(row * features + i)]) *
             static_cast<double>(output[static_cast<std::size_t>(v * features + i)]);
    return sum;
  }
  double expected() const {
    double sum = 0;
    for (Index row = 0; row < rows; ++row)
      sum -= static_cast<double>(weights[static_cast<std::size_t>(row)]) * log_probability(row);
    return sum;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_loss)

BOOST_AUTO_TEST_CASE(weighs_the_log_probabilities_of_the_targets) {
  for (const Index rows :
       {Index{1}, Index{7}, loss_chunk_rows, loss_chunk_rows + 1, 2 * loss_chunk_rows + 3}) {
    Rows test(rows, 6, 11);
    test.loss = 3;
    test.run(test.operation());
    BOOST_TEST(std::abs(test.loss - 3 - test.expected()) < 1e-6 * static_cast<double>(rows + 3));
    for (Index row = 0; row < rows; ++row) {
      const auto i = static_cast<std::size_t>(row);
      BOOST_TEST(std::abs(static_cast<double>(test.log_probabilities[i]) - test.log_probability(row)) < 1e-5);
      BOOST_TEST(std::abs(static_cast<double>(test.entropies[i]) - test.entropy(row)) < 1e-5);
    }
  }
}

BOOST_AUTO_TEST_CASE(gradients_equal_finite_differences) {
  Rows test(loss_chunk_rows + 20, 5, 9);
  test.run(test.operation());
  const std::vector<float> dhidden = test.dhidden, doutput = test.doutput;
  const auto slope = [&](float& value) {
    const float middle = value;
    const auto f = [&](double h) {
      value = static_cast<float>(static_cast<double>(middle) + h);
      return test.expected();
    };
    const double result = detail::slope_of(f, 1e-2);
    value = middle;
    return result;
  };
  for (std::size_t i = 0; i < dhidden.size(); i += 131)
    BOOST_TEST(std::abs(static_cast<double>(dhidden[i]) - slope(test.hidden[i])) < 1e-4);
  // The output's gradient adds to the 0.5 that was there.
  for (std::size_t i = 0; i < doutput.size(); i += 4)
    BOOST_TEST(std::abs(static_cast<double>(doutput[i]) - 0.5 - slope(test.output[i])) < 1e-3);
}

BOOST_AUTO_TEST_CASE(threads_do_not_change_a_bit) {
  Rows one(loss_chunk_rows + 20, 33, 70), seven = one;
  one.run(one.operation(), 1);
  seven.run(seven.operation(), 7);
  BOOST_TEST(one.loss == seven.loss);
  BOOST_TEST(same_bits(one.dhidden, seven.dhidden));
  BOOST_TEST(same_bits(one.doutput, seven.doutput));
}

BOOST_AUTO_TEST_CASE(what_is_not_wanted_is_left_alone) {
  Rows test(9, 4, 6), frozen = test, score = test;
  test.run(test.operation());

  LanguageLoss<Cpu, float> without_output = frozen.operation();
  without_output.doutput = {};
  without_output.log_probabilities = {};
  without_output.entropies = {};
  frozen.run(without_output);
  BOOST_TEST(frozen.loss == test.loss);
  BOOST_TEST(same_bits(frozen.dhidden, test.dhidden));
  BOOST_TEST(frozen.doutput[3] == 0.5f);

  LanguageLoss<Cpu, float> scoring = score.operation();
  scoring.dhidden = {};
  score.run(scoring);
  BOOST_TEST(score.loss == test.loss);
  BOOST_TEST(score.dhidden[0] == 77.0f);
  BOOST_TEST(score.doutput[0] == 0.5f);
}

BOOST_AUTO_TEST_CASE(no_rows_cost_nothing) {
  Rows test(0, 4, 6);
  test.run(test.operation());
  BOOST_TEST(test.loss == 0.0);
  BOOST_TEST(test.doutput[0] == 0.5f);
}

// The full logits never exist: memory is bounded by a chunk of rows.
BOOST_AUTO_TEST_CASE(memory_does_not_grow_with_the_rows) {
  Rows small(loss_chunk_rows, 4, 100), large(4 * loss_chunk_rows, 4, 100);
  Runtime<Cpu> runtime(1);
  BOOST_TEST(runtime.measure([&] { run_language_loss(runtime, small.operation()); }) ==
             runtime.measure([&] { run_language_loss(runtime, large.operation()); }));
}

BOOST_AUTO_TEST_SUITE_END()
