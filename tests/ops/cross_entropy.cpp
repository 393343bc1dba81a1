#include <vlm/ops/cross_entropy.hpp>

#include "ops/description.hpp"
#include "reference/cross_entropy.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct Sizes {
  Index rows, vocabulary;
  double size = 1;  // of the logits: large ones overflow without the maximum taken out
};

const std::vector<Sizes> all_sizes = {{0, 8},       {1, 2},   {1, 100},     {3, 7},      {17, 33},
                                      {5, 1009, 4}, {70, 64}, {9, 40, 200}, {3, 5003, 3}};

const std::vector<Benchmark<Sizes>> model_sizes = {{"64 x 151936", {64, 151936}}};

Work exponential_each(const Sizes& s) { return {.exponentials = static_cast<double>(s.rows * s.vocabulary)}; }

void fill(const Sizes& s, Draw& draw, Tensors& t) {
  t.input("targets", draw.below(s.vocabulary, s.rows)).vector().integer().by_row();
  Table weights = draw.around_one(s.rows);
  for (Index i = 0; i < s.rows; i += 3) weights[i] = i % 2 == 0 ? 0.25 : 0;
  t.input("weights", weights).vector().by_row();
  t.output("log_probabilities", s.rows, 1).vector().by_row().optional();
  t.output("entropies", s.rows, 1).vector().by_row().optional();
  t.sum("loss", draw.normal(1)).vector().wide();
}

void run(Runtime<Cpu>& runtime, const Memory& m, bool gradient) {
  runtime.run(CrossEntropy<Cpu, float>{.logits = m["logits"],
                                       .targets = m["targets"],
                                       .weights = m["weights"],
                                       .log_probabilities = m["log_probabilities"],
                                       .entropies = m["entropies"],
                                       .loss = m["loss"],
                                       .gradient = gradient});
}

void set_results(Tensors& t, bool gradient) {
  const auto result = reference::cross_entropy(t["logits"], t["targets"], t["weights"]);
  t.result("loss", table(1, 1, {result.loss}));
  t.result("log_probabilities", result.log_probabilities);
  t.result("entropies", result.entropies);
  if (gradient) t.result("logits", result.dlogits);
}

Description<Sizes> loss_only() {
  return {
      .name = "cross-entropy forward",
      .message = message<CrossEntropy>(),
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .work = exponential_each,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.input("logits", draw.normal(s.rows, s.vocabulary, s.size)).by_row();
            fill(s, draw, t);
          },
      .run = [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) { run(runtime, m, false); },
      .reference = [](const Sizes&, Tensors& t) { set_results(t, false); },
  };
}

Description<Sizes> with_gradient() {
  return {
      .name = "cross-entropy backward, with the loss",
      .message = message<CrossEntropy>(),
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .work = exponential_each,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.replaced("logits", draw.normal(s.rows, s.vocabulary, s.size)).by_row();
            fill(s, draw, t);
          },
      .run = [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) { run(runtime, m, true); },
      .reference = [](const Sizes&, Tensors& t) { set_results(t, true); },
      .objective =
          [](const Sizes&, const Tensors& t) {
            return reference::cross_entropy(t["logits"], t["targets"], t["weights"]).loss;
          },
      .gradients = {{"logits", "logits"}},
  };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_cross_entropy)

VLM_OPERATION(loss_agrees, loss_only());
VLM_OPERATION(gradient_agrees, with_gradient());

// Classes that are ruled out, a whole block of them among others: they have probability 0 and no part in the
// entropy. The largest logit comes last.
BOOST_AUTO_TEST_CASE(impossible_classes) {
  constexpr Index vocabulary = 9000;  // the second of three blocks is ruled out whole
  for (IsaLevel level : tests::detail::levels()) {
    std::vector<float> logits(vocabulary, -INFINITY);
    logits[5] = logits[8500] = 1;
    logits[vocabulary - 1] = 3;
    float weight = 1, log_probability = 0, entropy = 0;
    std::int32_t target = 5;
    double loss = 0;
    const Shape<1> one{{1}};
    Runtime<Cpu> runtime(1, level);
    const CrossEntropy<Cpu, float> operation{.logits = {logits.data(), Shape<2>{{1, vocabulary}}},
                                             .targets = View<std::int32_t, 1, Cpu>(&target, one),
                                             .weights = View<float, 1, Cpu>(&weight, one),
                                             .log_probabilities = {&log_probability, one},
                                             .entropies = {&entropy, one},
                                             .loss = {&loss, one},
                                             .gradient = true};
    runtime.plan([&] { runtime.run(operation); });
    runtime.run(operation);
    const double low = 1 / (2 + std::exp(2.0)), high = 1 - 2 * low;
    const auto near = boost::test_tools::tolerance(1e-6);
    BOOST_TEST(loss == -std::log(low), near);
    BOOST_TEST(static_cast<double>(log_probability) == std::log(low), near);
    BOOST_TEST(static_cast<double>(entropy) == -2 * low * std::log(low) - high * std::log(high), near);
    BOOST_TEST(static_cast<double>(logits[5]) == low - 1, near);
    BOOST_TEST(static_cast<double>(logits[8500]) == low, near);
    BOOST_TEST(static_cast<double>(logits[vocabulary - 1]) == high, near);
    BOOST_TEST(logits[0] == 0.0f);
    BOOST_TEST(logits[5000] == 0.0f);
  }
}

// Equal logits: every class has probability 1 / vocabulary; what the chunks before added stays.
BOOST_AUTO_TEST_CASE(uniform_logits) {
  float logits[8] = {3, 3, 3, 3, 3, 3, 3, 3}, weights[] = {1, 0.5f}, log_probabilities[2] = {};
  std::int32_t targets[] = {0, 3};
  double loss = 10;
  Runtime<Cpu> runtime(1);
  const CrossEntropy<Cpu, float> operation{.logits = {logits, Shape<2>{{2, 4}}},
                                           .targets = View<std::int32_t, 1, Cpu>(targets, Shape<1>{{2}}),
                                           .weights = View<float, 1, Cpu>(weights, Shape<1>{{2}}),
                                           .log_probabilities = {log_probabilities, Shape<1>{{2}}},
                                           .loss = {&loss, Shape<1>{{1}}},
                                           .gradient = true};
  runtime.plan([&] { runtime.run(operation); });
  runtime.run(operation);
  BOOST_TEST(loss == 10 + 1.5 * std::log(4), boost::test_tools::tolerance(1e-6));
  for (const float value : log_probabilities)
    BOOST_TEST(value == -std::log(4.0f), boost::test_tools::tolerance(1e-6f));
  const float expected[] = {-0.75f, 0.25f, 0.25f, 0.25f, 0.125f, 0.125f, 0.125f, -0.375f};
  BOOST_TEST(logits == expected, boost::test_tools::tolerance(1e-6f) << boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
