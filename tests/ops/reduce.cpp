#include <vlm/ops/reduce.hpp>

#include "ops/description.hpp"
#include "reference/reduce.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct Sizes {
  Index rows, features = 1;
};

Description<Sizes> squared_norm() {
  return {
      .name = "squared norm",
      .message = message<SquaredNorm>(),
      .tolerance = 1e-12,  // summed in double
      .sizes = {{0}, {1}, {7}, {16384}, {16385}, {100003}},
      .benchmarks = {{"8388608 numbers", {8388608}}},
      .work = [](const Sizes& s) { return Work{.flop = 2 * static_cast<double>(s.rows)}; },
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.input("x", draw.normal(s.rows)).vector();
            t.sum("result", draw.normal(1)).vector().wide();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(SquaredNorm<Cpu, float>{.x = m["x"], .result = m["result"]});
          },
      .reference = [](const Sizes&,
                      Tensors& t) { t.result("result", table(1, 1, {reference::squared_norm(t["x"])})); },
  };
}

Description<Sizes> arg_max() {
  return {
      .name = "arg max",
      .message = message<ArgMax>(),
      .sizes = {{0, 8}, {1, 1}, {1, 1000}, {17, 33}, {130, 64}, {5, 7}},
      .benchmarks = {{"16 x 151936", {16, 151936}}},
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            // Few different values, so that the largest often stands in several places.
            t.input("x", draw.below(s.rows % 2 == 0 ? 1000000 : 9, s.rows, s.features)).by_row();
            t.output("index", s.rows, 1).vector().integer().by_row();
          },
      .run = [](Runtime<Cpu>& runtime, const Sizes&,
                const Memory& m) { runtime.run(ArgMax<Cpu, float>{.x = m["x"], .index = m["index"]}); },
      .reference = [](const Sizes&, Tensors& t) { t.result("index", reference::arg_max(t["x"])); },
  };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_reduce)

VLM_OPERATION(squared_norm_agrees, squared_norm());
VLM_OPERATION(arg_max_agrees, arg_max());

// A sum in single precision would lose the small terms.
BOOST_AUTO_TEST_CASE(squared_norm_keeps_small_terms) {
  std::vector<float> x(1001, 1.0f);
  x[0] = 1e6f;
  double result = 0;
  Runtime<Cpu> runtime(1);
  const SquaredNorm<Cpu, float> operation{.x = View<float, 1, Cpu>(x.data(), Shape<1>{{1001}}),
                                          .result = {&result, Shape<1>{{1}}}};
  runtime.plan([&] { runtime.run(operation); });
  runtime.run(operation);
  BOOST_TEST(result == 1e12 + 1000);
}

// Negative values and infinities are ordered as numbers.
BOOST_AUTO_TEST_CASE(arg_max_of_negative_rows) {
  float x[] = {-3, -1, -1, -INFINITY, -5, -INFINITY};
  std::int32_t index[2] = {};
  Runtime<Cpu> runtime(1);
  runtime.run(
      ArgMax<Cpu, float>{.x = View<float, 2, Cpu>(x, Shape<2>{{2, 3}}), .index = {index, Shape<1>{{2}}}});
  BOOST_TEST(index[0] == 1);
  BOOST_TEST(index[1] == 1);
}

BOOST_AUTO_TEST_SUITE_END()
