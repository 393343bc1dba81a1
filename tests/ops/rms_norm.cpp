#include <vlm/ops/rms_norm.hpp>

#include "ops/description.hpp"
#include "reference/rms_norm.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

constexpr float eps = 1e-6f;

struct Sizes {
  Index rows, features, group;
};

const std::vector<Sizes> all_sizes = {{0, 8, 8},       {1, 5, 5},    {1, 64, 64},   {3, 7, 7},
                                      {5, 96, 24},     {17, 33, 33}, {37, 128, 64}, {70, 216, 72},
                                      {9, 1000, 1000}, {130, 40, 8}, {401, 16, 8}};

const std::vector<Benchmark<Sizes>> model_sizes = {{"512 x 2048", {512, 2048, 2048}},
                                                   {"512 x 16 heads of 128", {512, 2048, 128}}};

void fill(const Sizes& s, Draw& draw, Tensors& t) {
  t.input("x", draw.normal(s.rows, s.features)).by_row();
  t.input("weight", draw.around_one(s.group)).vector();
}

Description<Sizes> forward() {
  return {
      .name = "RMS norm forward",
      .message = message<RmsNormForward>(),
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            fill(s, draw, t);
            t.output("y", s.rows, s.features).by_row().may_be("x");
            t.output("rstd", s.rows, s.features / s.group).by_row().optional();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(RmsNormForward<Cpu, float>{
                .x = m["x"], .weight = m["weight"], .y = m["y"], .rstd = m["rstd"], .eps = eps});
          },
      .reference =
          [](const Sizes& s, Tensors& t) {
            t.result("y", reference::rms_norm(t["x"], t["weight"], eps));
            t.result("rstd", reference::rms_norm_rstd(t["x"], s.group, eps));
          },
  };
}

Description<Sizes> backward() {
  return {
      .name = "RMS norm backward",
      .message = message<RmsNormBackward>(),
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            fill(s, draw, t);
            t.input("dy", draw.normal(s.rows, s.features)).by_row();
            t.input("rstd", rounded(reference::rms_norm_rstd(t["x"], s.group, eps))).by_row();
            t.output("dx", s.rows, s.features).by_row().may_be("dy").optional();
            t.sum("dweight", draw.normal(s.group)).vector().optional();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(RmsNormBackward<Cpu, float>{.dy = m["dy"],
                                                    .x = m["x"],
                                                    .weight = m["weight"],
                                                    .rstd = m["rstd"],
                                                    .dx = m["dx"],
                                                    .dweight = m["dweight"]});
          },
      .reference =
          [](const Sizes&, Tensors& t) {
            const auto gradients = reference::rms_norm_backward(t["dy"], t["x"], t["weight"], eps);
            t.result("dx", gradients.dx);
            t.result("dweight", gradients.dweight);
          },
      .objective =
          [](const Sizes&, const Tensors& t) {
            return dot(t["dy"], reference::rms_norm(t["x"], t["weight"], eps));
          },
      .gradients = {{"x", "dx"}, {"weight", "dweight"}},
  };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_rms_norm)

VLM_OPERATION(forward_agrees, forward());
VLM_OPERATION(backward_agrees, backward());

// The order of the reference, (x * rstd) * weight: the normalised value is rounded before the weight, bit for bit.
BOOST_AUTO_TEST_CASE(pitfall_22_the_weight_comes_after_the_normalised_value) {
  constexpr std::size_t features = 37;
  std::vector<float> x(features), weight(features), y(features), rstd(1);
  const Random random(3, "rms norm");
  for (std::size_t i = 0; i < features; ++i) {
    x[i] = random.normal(i);
    weight[i] = static_cast<float>(bf16(1 + 0.2f * random.normal(features + i)));
  }
  Runtime<Cpu> runtime(1);
  const Shape<2> row{{1, features}};
  runtime.run(RmsNormForward<Cpu, float>{.x = {x.data(), row},
                                         .weight = {weight.data(), Shape<1>{{features}}},
                                         .y = {y.data(), row},
                                         .rstd = {rstd.data(), Shape<2>{{1, 1}}},
                                         .eps = eps});
  bool differs = false;
  for (std::size_t i = 0; i < features; ++i) {
    const float normalised = x[i] * rstd[0];
    BOOST_TEST(y[i] == normalised * weight[i]);
    differs |= y[i] != x[i] * (rstd[0] * weight[i]);
  }
  BOOST_TEST(differs);
}

BOOST_AUTO_TEST_SUITE_END()
