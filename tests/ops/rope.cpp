#include <vlm/ops/rope.hpp>

#include "ops/description.hpp"
#include "reference/rope.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct Sizes {
  Index rows, heads, head_dim;
  bool inverse = false;
};

const std::vector<Benchmark<Sizes>> model_sizes = {{"512 x 16 heads of 128", {512, 16, 128}}};
constexpr const char* head_limits = "head size even";

// Cosines and sines of any angles.
void fill(const Sizes& s, Draw& draw, Tensors& t) {
  const Table angles = draw.normal(s.rows, s.head_dim / 2, 3);
  Table cosine = angles, sine = angles;
  for (double& value : cosine.values) value = std::cos(value);
  for (double& value : sine.values) value = std::sin(value);
  t.input("cosine", rounded(cosine)).by_row();
  t.input("sine", rounded(sine)).by_row();
}

Description<Sizes> rotation() {
  return {
      .name = "rope forward",
      .message = message<RopeRotate>(),
      .limits = head_limits,
      .sizes = {{0, 2, 8},
                {1, 1, 2},
                {1, 3, 8},
                {5, 2, 24, true},
                {17, 4, 64},
                {9, 1, 72, true},
                {19, 3, 34},
                {33, 5, 128},
                {130, 2, 8}},
      .benchmarks = model_sizes,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            fill(s, draw, t);
            t.replaced("x", draw.normal(s.rows, s.heads * s.head_dim)).by_row();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes& s, const Memory& m) {
            runtime.run(RopeRotate<Cpu, float>{
                .x = m["x"], .cosine = m["cosine"], .sine = m["sine"], .inverse = s.inverse});
          },
      .reference =
          [](const Sizes& s, Tensors& t) {
            t.result("x", reference::rope(t["x"], t["cosine"], t["sine"], s.inverse));
          },
  };
}

// The backward of a rotation is the opposite one: `dx` holds dy before and dx after.
Description<Sizes> backward() {
  return {
      .name = "rope backward",
      .message = message<RopeRotate>(),
      .limits = head_limits,
      .sizes = {{0, 1, 8}, {1, 2, 8}, {3, 2, 8}, {7, 1, 24, true}, {19, 3, 34}},
      .benchmarks = model_sizes,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            fill(s, draw, t);
            t.input("x", draw.normal(s.rows, s.heads * s.head_dim)).by_row();
            t.replaced("dx", draw.normal(s.rows, s.heads * s.head_dim)).by_row();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes& s, const Memory& m) {
            runtime.run(RopeRotate<Cpu, float>{
                .x = m["dx"], .cosine = m["cosine"], .sine = m["sine"], .inverse = !s.inverse});
          },
      .reference =
          [](const Sizes& s, Tensors& t) {
            t.result("dx", reference::rope(t["dx"], t["cosine"], t["sine"], !s.inverse));
          },
      .objective =
          [](const Sizes& s, const Tensors& t) {
            return dot(t["dx"], reference::rope(t["x"], t["cosine"], t["sine"], s.inverse));
          },
      .gradients = {{"x", "dx"}},
  };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_rope)

VLM_OPERATION(rotation_agrees, rotation());
VLM_OPERATION(backward_agrees, backward());

// A quarter turn takes (x1, x2) to (-x2, x1); partners stand half a head apart, not side by side.
BOOST_AUTO_TEST_CASE(quarter_turn) {
  float x[] = {1, 2, 3, 4}, cosine[] = {0, 1}, sine[] = {1, 0};
  Runtime<Cpu> runtime(1);
  runtime.run(RopeRotate<Cpu, float>{.x = {x, Shape<2>{{1, 4}}},
                                     .cosine = View<float, 2, Cpu>(cosine, Shape<2>{{1, 2}}),
                                     .sine = View<float, 2, Cpu>(sine, Shape<2>{{1, 2}})});
  const float expected[] = {-3, 2, 1, 4};
  BOOST_TEST(x == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
