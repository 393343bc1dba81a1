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

void fill(const Sizes& s, Draw& draw, Tensors& t) {
  t.input("x", draw.normal(s.rows, s.features)).by_row();
  t.input("weight", draw.around_one(s.group)).vector();
}

Description<Sizes> forward() {
  return {
      .name = "rms_norm forward",
      .sizes = all_sizes,
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
      .name = "rms_norm backward",
      .sizes = all_sizes,
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

BOOST_AUTO_TEST_CASE(forward_agrees) { check(forward()); }
BOOST_AUTO_TEST_CASE(backward_agrees) { check(backward()); }

BOOST_AUTO_TEST_SUITE_END()
