#include <boost/test/unit_test.hpp>

#include <vlm/data/weights.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tiny.hpp"

using vlm::Batch;
using vlm::Index;

namespace {

// A batch whose samples have these numbers of supervised tokens, each after one that is not.
Batch batch_of(std::initializer_list<Index> counts) {
  const vlm::Tokenizer tokenizer = vlm::tests::tiny_tokenizer();
  const auto config = vlm::ModelConfig::parse(vlm::tests::tiny_config_text(tokenizer), "config.json");
  Batch batch;
  for (const Index count : counts) {
    vlm::Sample sample;
    sample.tokens.assign(static_cast<std::size_t>(count + 1), 5);
    sample.supervised.assign(sample.tokens.size(), 1);
    sample.supervised[0] = 0;
    batch.append(sample, config);
  }
  return batch;
}

// The loss of a step where all tokens of a sample have the same loss.
double loss_of(const std::vector<Batch>& step, const std::vector<std::vector<double>>& losses) {
  double sum = 0;
  for (std::size_t b = 0; b < step.size(); ++b)
    for (std::size_t i = 0, sample = 0; i < step[b].rows.size(); ++i) {
      while (step[b].rows[i] >= step[b].offsets[sample + 1]) ++sample;
      sum += static_cast<double>(step[b].weights[i]) * losses[b][sample];
    }
  return sum;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(data_weights)

// Samples of 4, 100 and 1600 tokens with mean losses 2, 1.5 and 1: the worked numbers of the formula.
BOOST_AUTO_TEST_CASE(worked_example) {
  struct Case {
    double alpha, loss;
    float per_token[3];
  };
  const Case cases[] = {{0, 1.0316901, {5.8685e-4f, 5.8685e-4f, 5.8685e-4f}},
                        {0.5, 1.1346154, {0.00961538f, 0.00192308f, 0.00048077f}},
                        {1, 1.5, {0.0833333f, 0.0033333f, 0.00020833f}}};
  for (const Case& expected : cases) {
    std::vector<Batch> step;
    step.push_back(batch_of({4, 100, 1600}));
    vlm::set_loss_weights(step, expected.alpha);
    BOOST_TEST(loss_of(step, {{2, 1.5, 1}}) == expected.loss, boost::test_tools::tolerance(1e-6));
    const std::vector<float>& weights = step[0].weights;
    BOOST_TEST_REQUIRE(weights.size() == 1704u);
    const std::size_t first_of[] = {0, 4, 104}, last_of[] = {3, 103, 1703};
    for (std::size_t sample = 0; sample < 3; ++sample) {
      BOOST_TEST(weights[first_of[sample]] == expected.per_token[sample],
                 boost::test_tools::tolerance(2e-5f));
      BOOST_TEST(weights[last_of[sample]] == weights[first_of[sample]]);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_divisor_is_that_of_all_micro_batches) {
  std::vector<Batch> step;
  step.push_back(batch_of({4, 100}));
  step.push_back(batch_of({}));
  step.push_back(batch_of({1600}));
  BOOST_TEST(vlm::weight_divisor(step, 0.5) == 52.0, boost::test_tools::tolerance(1e-12));
  vlm::set_loss_weights(step, 0.5);
  // Dividing by each micro-batch's own sum would give 1.291667.
  BOOST_TEST(loss_of(step, {{2, 1.5}, {}, {1}}) == 1.1346154, boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(samples_without_supervised_tokens_weigh_nothing) {
  BOOST_TEST(vlm::sample_weight(0, 0.5) == 0.0);
  BOOST_TEST(vlm::sample_weight(0, 0) == 0.0);
  std::vector<Batch> step;
  step.push_back(batch_of({0, 4, 0}));
  vlm::set_loss_weights(step, 1);
  BOOST_TEST(step[0].weights == std::vector<float>(4, 0.25f), boost::test_tools::per_element());
  step[0] = batch_of({0});
  vlm::set_loss_weights(step, 0.5);
  BOOST_TEST(step[0].weights.empty());
}

BOOST_AUTO_TEST_SUITE_END()
