#include <vlm/ops/adamw.hpp>

#include "ops/description.hpp"
#include "reference/adamw.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct Sizes {
  Index count;
  double gradient_scale, learning_rate, decay;
  Index step;
};

AdamW<Cpu, float> operation(const Sizes& s) {
  AdamW<Cpu, float> op;
  op.gradient_scale = s.gradient_scale;
  op.learning_rate = s.learning_rate;
  op.decay = s.decay;
  op.step = s.step;
  return op;
}

Description<Sizes> update() {
  return {
      .name = "AdamW",
      .message = message<AdamW>(),
      .sizes = {{0, 1, 0.1, 0, 1},
                {1, 1, 0.1, 0.1, 1},
                {37, 0.5, 0.01, 0.1, 2},
                {4099, 0.0769231, 0.001, 0.01, 1000},
                {200001, 1, 0.1, 0, 100000}},
      .benchmarks = {{"4194304 numbers", {4194304, 1, 0.0001, 0.1, 10}}},
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.replaced("parameter", draw.normal(s.count)).vector().by_row();
            t.replaced("first_moment", draw.normal(s.count, 1, 0.1)).vector().by_row();
            Table squares = draw.normal(s.count, 1, 0.1);
            for (double& value : squares.values) value *= value;
            t.replaced("second_moment", rounded(squares)).vector().by_row();
            t.input("gradient", draw.normal(s.count)).vector().by_row();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes& s, const Memory& m) {
            AdamW<Cpu, float> op = operation(s);
            op.parameter = m["parameter"];
            op.first_moment = m["first_moment"];
            op.second_moment = m["second_moment"];
            op.gradient = m["gradient"];
            runtime.run(op);
          },
      .reference =
          [](const Sizes& s, Tensors& t) {
            const AdamW<Cpu, float> op = operation(s);
            Table parameter = t["parameter"], first = t["first_moment"], second = t["second_moment"];
            reference::adamw(parameter, first, second, t["gradient"],
                             {.gradient_scale = op.gradient_scale,
                              .learning_rate = op.learning_rate,
                              .beta1 = op.beta1,
                              .beta2 = op.beta2,
                              .eps = op.eps,
                              .decay = op.decay,
                              .step = op.step});
            t.result("parameter", parameter);
            t.result("first_moment", first);
            t.result("second_moment", second);
          },
  };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_adamw)

VLM_OPERATION(update_agrees, update());

// Two steps from 1 with gradients 0.5 and -0.3, in the reference and on each level.
BOOST_AUTO_TEST_CASE(worked_numbers) {
  Table parameter(1, 1, 1), first(1), second(1);
  reference::AdamWSettings settings{.learning_rate = 1e-2, .decay = 0.1};
  reference::adamw(parameter, first, second, Table(1, 1, 0.5), settings);
  BOOST_TEST(parameter[0] == 0.9890000002, boost::test_tools::tolerance(1e-10));
  settings.step = 2;
  reference::adamw(parameter, first, second, Table(1, 1, -0.3), settings);
  BOOST_TEST(parameter[0] == 0.98609602, boost::test_tools::tolerance(1e-8));
  BOOST_TEST(first[0] == 0.015, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(second[0] == 3.3975e-4, boost::test_tools::tolerance(1e-12));

  for (IsaLevel level : tests::detail::levels()) {
    float p = 1, m = 0, v = 0, gradient = 0.5f;
    const Shape<1> one{{1}};
    AdamW<Cpu, float> op{.parameter = {&p, one},
                         .first_moment = {&m, one},
                         .second_moment = {&v, one},
                         .gradient = View<float, 1, Cpu>(&gradient, one),
                         .learning_rate = 1e-2,
                         .decay = 0.1};
    Runtime<Cpu> runtime(1, level);
    runtime.run(op);
    BOOST_TEST(p == 0.9890000002f, boost::test_tools::tolerance(1e-7f));
    gradient = -0.3f;
    op.step = 2;
    runtime.run(op);
    BOOST_TEST(p == 0.98609602f, boost::test_tools::tolerance(1e-7f));
    BOOST_TEST(m == 0.015f, boost::test_tools::tolerance(1e-6f));
    BOOST_TEST(v == 3.3975e-4f, boost::test_tools::tolerance(1e-6f));  // not with 1 - beta2 of a float
  }
}

// Clipping multiplies the gradient, the same as a smaller gradient.
BOOST_AUTO_TEST_CASE(gradient_scale_multiplies_the_gradient) {
  float scaled[3] = {1, 0, 0}, plain[3] = {1, 0, 0}, gradients[] = {12, 3};
  const auto step = [](float* state, float* gradient, double scale) {
    const Shape<1> one{{1}};
    Runtime<Cpu> runtime(1);
    runtime.run(AdamW<Cpu, float>{.parameter = {state, one},
                                  .first_moment = {state + 1, one},
                                  .second_moment = {state + 2, one},
                                  .gradient = View<float, 1, Cpu>(gradient, one),
                                  .gradient_scale = scale,
                                  .learning_rate = 0.5});
  };
  step(scaled, gradients, 0.25);
  step(plain, gradients + 1, 1);
  BOOST_TEST(scaled == plain, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
