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

const std::vector<Sizes> all_sizes = {{0, 8},   {1, 2},       {1, 100}, {3, 7},
                                      {17, 33}, {5, 1009, 4}, {70, 64}, {9, 40, 200}};

void fill(const Sizes& s, Draw& draw, Tensors& t) {
  t.input("targets", draw.below(s.vocabulary, s.rows)).vector().integer().by_row();
  Table weights = draw.around_one(s.rows);
  for (Index i = 0; i < s.rows; i += 3) weights[i] = i % 2 == 0 ? 0.25 : 0;
  t.input("weights", weights).vector().by_row();
  t.output("log_probabilities", s.rows, 1).vector().by_row().optional();
  t.sum("loss", draw.normal(1)).vector().wide();
}

void run(Runtime<Cpu>& runtime, const Memory& m, bool gradient) {
  runtime.run(CrossEntropy<Cpu, float>{.logits = m["logits"],
                                       .targets = m["targets"],
                                       .weights = m["weights"],
                                       .log_probabilities = m["log_probabilities"],
                                       .loss = m["loss"],
                                       .gradient = gradient});
}

void set_results(Tensors& t, bool gradient) {
  const auto result = reference::cross_entropy(t["logits"], t["targets"], t["weights"]);
  t.result("loss", table(1, 1, {result.loss}));
  t.result("log_probabilities", result.log_probabilities);
  if (gradient) t.result("logits", result.dlogits);
}

Description<Sizes> loss_only() {
  return {
      .name = "cross-entropy",
      .sizes = all_sizes,
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
      .name = "cross-entropy with gradient",
      .sizes = all_sizes,
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

BOOST_AUTO_TEST_CASE(loss_agrees) { check(loss_only()); }
BOOST_AUTO_TEST_CASE(gradient_agrees) { check(with_gradient()); }

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
