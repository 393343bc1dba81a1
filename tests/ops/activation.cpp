#include <vlm/ops/activation.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "ops/description.hpp"
#include "reference/activation.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct Sizes {
  Index rows, features;
  double size = 1;  // of the values: large ones saturate
};

const std::vector<Sizes> all_sizes = {{0, 8},   {1, 1},       {1, 64},      {3, 7},
                                      {17, 33}, {5, 1000, 4}, {64, 24, 30}, {130, 257}};

const std::vector<Benchmark<Sizes>> tower_sizes = {{"1024 x 4096", {1024, 4096}}};
const std::vector<Benchmark<Sizes>> decoder_sizes = {{"512 x 6144", {512, 6144}}};

Work exponential_each(const Sizes& s) { return {.exponentials = static_cast<double>(s.rows * s.features)}; }

bool is_tanh(Gelu kind) { return kind == Gelu::Tanh; }

Description<Sizes> gelu_forward(Gelu kind) {
  return {
      .name = is_tanh(kind) ? "GELU forward, tanh" : "GELU forward, erf",
      .message = message<GeluForward>(),
      .sizes = all_sizes,
      .benchmarks = tower_sizes,
      .work = exponential_each,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.input("x", draw.normal(s.rows, s.features, s.size)).by_row();
            t.output("y", s.rows, s.features).by_row().may_be("x");
          },
      .run =
          [kind](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(GeluForward<Cpu, float>{.x = m["x"], .y = m["y"], .kind = kind});
          },
      .reference = [kind](const Sizes&,
                          Tensors& t) { t.result("y", reference::gelu(t["x"], is_tanh(kind))); },
  };
}

Description<Sizes> gelu_backward(Gelu kind) {
  return {
      .name = is_tanh(kind) ? "GELU backward, tanh" : "GELU backward, erf",
      .message = message<GeluBackward>(),
      .sizes = all_sizes,
      .benchmarks = tower_sizes,
      .work = exponential_each,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.input("x", draw.normal(s.rows, s.features, s.size)).by_row();
            t.input("dy", draw.normal(s.rows, s.features)).by_row();
            t.output("dx", s.rows, s.features).by_row().may_be("dy");
          },
      .run =
          [kind](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(GeluBackward<Cpu, float>{.dy = m["dy"], .x = m["x"], .dx = m["dx"], .kind = kind});
          },
      .reference =
          [kind](const Sizes&, Tensors& t) {
            t.result("dx", reference::gelu_backward(t["dy"], t["x"], is_tanh(kind)));
          },
      .objective = [kind](const Sizes&,
                          const Tensors& t) { return dot(t["dy"], reference::gelu(t["x"], is_tanh(kind))); },
      .gradients = {{"x", "dx"}},
  };
}

Description<Sizes> swiglu_forward() {
  return {
      .name = "SwiGLU forward",
      .message = message<SwiGluForward>(),
      .sizes = all_sizes,
      .benchmarks = decoder_sizes,
      .work = exponential_each,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.input("gate", draw.normal(s.rows, s.features, s.size)).by_row();
            t.input("up", draw.normal(s.rows, s.features)).by_row();
            t.output("y", s.rows, s.features).by_row().may_be("gate");
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(SwiGluForward<Cpu, float>{.gate = m["gate"], .up = m["up"], .y = m["y"]});
          },
      .reference = [](const Sizes&, Tensors& t) { t.result("y", reference::swiglu(t["gate"], t["up"])); },
  };
}

Description<Sizes> swiglu_backward() {
  return {
      .name = "SwiGLU backward",
      .message = message<SwiGluBackward>(),
      .sizes = all_sizes,
      .benchmarks = decoder_sizes,
      .work = exponential_each,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.input("gate", draw.normal(s.rows, s.features, s.size)).by_row();
            t.input("up", draw.normal(s.rows, s.features)).by_row();
            t.input("dy", draw.normal(s.rows, s.features)).by_row();
            t.output("dgate", s.rows, s.features).by_row().may_be("gate");
            t.output("dup", s.rows, s.features).by_row().may_be("up");
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(SwiGluBackward<Cpu, float>{
                .dy = m["dy"], .gate = m["gate"], .up = m["up"], .dgate = m["dgate"], .dup = m["dup"]});
          },
      .reference =
          [](const Sizes&, Tensors& t) {
            const auto gradients = reference::swiglu_backward(t["dy"], t["gate"], t["up"]);
            t.result("dgate", gradients.dgate);
            t.result("dup", gradients.dup);
          },
      .objective = [](const Sizes&,
                      const Tensors& t) { return dot(t["dy"], reference::swiglu(t["gate"], t["up"])); },
      .gradients = {{"gate", "dgate"}, {"up", "dup"}},
  };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_activation)

VLM_OPERATION(gelu_tanh_forward_agrees, gelu_forward(Gelu::Tanh));
VLM_OPERATION(gelu_tanh_backward_agrees, gelu_backward(Gelu::Tanh));
VLM_OPERATION(gelu_erf_forward_agrees, gelu_forward(Gelu::Erf));
VLM_OPERATION(gelu_erf_backward_agrees, gelu_backward(Gelu::Erf));
VLM_OPERATION(swiglu_forward_agrees, swiglu_forward());
VLM_OPERATION(swiglu_backward_agrees, swiglu_backward());

// Both gradients may take the place of their inputs at once.
BOOST_AUTO_TEST_CASE(swiglu_backward_in_place_of_both_inputs) {
  float gate[] = {0.5f, -1.25f, 3}, up[] = {2, 0.75f, -1}, dy[] = {1, -2, 0.5f};
  const auto expected = reference::swiglu_backward(table(1, 3, {1, -2, 0.5}), table(1, 3, {0.5, -1.25, 3}),
                                                   table(1, 3, {2, 0.75, -1}));
  Runtime<Cpu> runtime(1);
  const View<float, 2, Cpu> gates(gate, Shape<2>{{1, 3}}), ups(up, Shape<2>{{1, 3}});
  runtime.run(SwiGluBackward<Cpu, float>{
      .dy = View<float, 2, Cpu>(dy, Shape<2>{{1, 3}}), .gate = gates, .up = ups, .dgate = gates, .dup = ups});
  for (Index j = 0; j < 3; ++j) {
    BOOST_TEST(gate[j] == expected.dgate[j], boost::test_tools::tolerance(1e-5));
    BOOST_TEST(up[j] == expected.dup[j], boost::test_tools::tolerance(1e-5));
  }
}

// Each value for itself, not only beside the largest: also far below 0, where little is left.
BOOST_AUTO_TEST_CASE(gelu_is_accurate_far_below_zero) {
  constexpr Index count = 1300;
  std::vector<float> x(count), y(count);
  for (Index i = 0; i < count; ++i)
    x[static_cast<std::size_t>(i)] = -6 + static_cast<float>(i) / 100;  // to 7
  Runtime<Cpu> runtime(1);
  for (const Gelu kind : {Gelu::Tanh, Gelu::Erf}) {
    runtime.run(GeluForward<Cpu, float>{.x = View<float, 2, Cpu>(x.data(), Shape<2>{{1, count}}),
                                        .y = {y.data(), Shape<2>{{1, count}}},
                                        .kind = kind});
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double at = x[i], upper = std::erfc(-at / std::numbers::sqrt2) / 2;
      const double root = std::sqrt(2 / std::numbers::pi), u = root * (at + 0.044715 * at * at * at);
      const double exact = at * (is_tanh(kind) ? 1 / (1 + std::exp(-2 * u)) : upper);
      BOOST_TEST(std::fabs(y[i] - exact) <= 1e-5 * std::fabs(exact),
                 "at " << at << ": " << y[i] << ", not " << exact);
    }
  }
}

// At infinity and far from 0 it is what it tends to; NaN stays NaN.
BOOST_AUTO_TEST_CASE(gelu_erf_at_its_limits) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> x = {infinity, -infinity, 1e30f, -1e30f, 25, -25, NAN}, y(x.size());
  const Shape<2> shape{{1, static_cast<Index>(x.size())}};
  Runtime<Cpu> runtime(1);
  runtime.run(GeluForward<Cpu, float>{
      .x = View<float, 2, Cpu>(x.data(), shape), .y = {y.data(), shape}, .kind = Gelu::Erf});
  for (std::size_t i = 0; i < 6; ++i) BOOST_TEST(y[i] == std::max(x[i], 0.0f));
  BOOST_TEST(std::isnan(y[6]));
}

// The two forms of GELU differ: the tower uses one, the mergers the other.
BOOST_AUTO_TEST_CASE(gelu_forms_differ) {
  float x[] = {2}, y[2] = {};
  Runtime<Cpu> runtime(1);
  const View<float, 2, Cpu> input(x, Shape<2>{{1, 1}});
  runtime.run(GeluForward<Cpu, float>{.x = input, .y = {y, Shape<2>{{1, 1}}}, .kind = Gelu::Tanh});
  runtime.run(GeluForward<Cpu, float>{.x = input, .y = {y + 1, Shape<2>{{1, 1}}}, .kind = Gelu::Erf});
  BOOST_TEST(y[0] == 1.954597694f, boost::test_tools::tolerance(1e-6f));
  BOOST_TEST(y[1] == 1.954499736f, boost::test_tools::tolerance(1e-6f));
}

BOOST_AUTO_TEST_SUITE_END()
