#include <vlm/ops/matmul.hpp>

#include "ops/description.hpp"
#include "reference/matmul.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct Sizes {
  Index rows, inputs, outputs;
  DType format = DType::F32;
  bool input_major = false;
  bool extra = false;  // with a bias, or adding
};

const std::vector<Sizes> all_sizes = {{0, 8, 8},
                                      {1, 1, 1},
                                      {1, 64, 96},
                                      {1, 700, 33, DType::BF16},
                                      {1, 515, 37, DType::BF16, true, true},
                                      {2, 17, 5, DType::F32, true},
                                      {13, 31, 129, DType::F32, false, true},
                                      {50, 96, 64, DType::F32, true, true},
                                      {67, 129, 41, DType::BF16},
                                      {128, 64, 32, DType::BF16, true},
                                      {129, 1030, 35, DType::F32, false, true}};

Table weight(const Sizes& s, Draw& draw) { return rounded(draw.normal(s.outputs, s.inputs, 0.2), s.format); }

Description<Sizes> forward() {
  return {
      .name = "linear forward",
      .tolerance = product,
      .sizes = all_sizes,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.input("x", draw.normal(s.rows, s.inputs)).by_row();
            t.input("weight", weight(s, draw)).stored(s.format, s.input_major);
            if (s.extra) t.input("bias", draw.normal(s.outputs)).vector();
            t.output("y", s.rows, s.outputs).by_row();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(LinearForward<Cpu, float>{
                .x = m["x"], .weight = m["weight"], .bias = m["bias"], .y = m["y"]});
          },
      .reference = [](const Sizes&,
                      Tensors& t) { t.result("y", reference::linear(t["x"], t["weight"], t["bias"])); },
  };
}

Description<Sizes> backward_input() {
  return {
      .name = "linear backward to the input",
      .tolerance = product,
      .sizes = all_sizes,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.input("x", draw.normal(s.rows, s.inputs)).by_row();
            t.input("dy", draw.normal(s.rows, s.outputs)).by_row();
            t.input("weight", weight(s, draw)).stored(s.format, s.input_major);
            if (s.extra)
              t.sum("dx", draw.normal(s.rows, s.inputs)).by_row();
            else
              t.output("dx", s.rows, s.inputs).by_row();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes& s, const Memory& m) {
            runtime.run(LinearBackwardInput<Cpu, float>{
                .dy = m["dy"], .weight = m["weight"], .dx = m["dx"], .add = s.extra});
          },
      .reference = [](const Sizes&,
                      Tensors& t) { t.result("dx", reference::linear_backward_input(t["dy"], t["weight"])); },
      .objective = [](const Sizes&,
                      const Tensors& t) { return dot(t["dy"], reference::linear(t["x"], t["weight"], {})); },
      .gradients = {{"x", "dx"}},
  };
}

Description<Sizes> backward_weight() {
  return {
      .name = "linear backward to the weight",
      .tolerance = product,
      .sizes = all_sizes,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.input("x", draw.normal(s.rows, s.inputs));
            t.input("dy", draw.normal(s.rows, s.outputs));
            t.input("weight", draw.normal(s.outputs, s.inputs));
            t.input("bias", draw.normal(s.outputs)).vector();
            t.sum("dweight", draw.normal(s.outputs, s.inputs)).optional();
            t.sum("dbias", draw.normal(s.outputs)).vector().optional();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(LinearBackwardWeight<Cpu, float>{
                .dy = m["dy"], .x = m["x"], .dweight = m["dweight"], .dbias = m["dbias"]});
          },
      .reference =
          [](const Sizes&, Tensors& t) {
            t.result("dweight", reference::linear_backward_weight(t["dy"], t["x"]));
            t.result("dbias", reference::linear_backward_bias(t["dy"]));
          },
      .objective =
          [](const Sizes&, const Tensors& t) {
            return dot(t["dy"], reference::linear(t["x"], t["weight"], t["bias"]));
          },
      .gradients = {{"weight", "dweight"}, {"bias", "dbias"}},
  };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_matmul)

BOOST_AUTO_TEST_CASE(forward_agrees) { check(forward()); }
BOOST_AUTO_TEST_CASE(backward_to_the_input_agrees) { check(backward_input()); }
BOOST_AUTO_TEST_CASE(backward_to_the_weight_agrees) { check(backward_weight()); }

// A product that reads many rows at once and one that reads a row alone keep the same chain of additions,
// also where the inner dimension has terms that cancel.
BOOST_AUTO_TEST_CASE(rows_keep_their_bits_where_terms_cancel) {
  Description<Sizes> cancelling = forward();
  cancelling.sizes = {{61, 600, 40}, {61, 600, 40, DType::BF16, true, true}};
  cancelling.tolerance = 1;
  cancelling.tensors = [](const Sizes& s, Draw& draw, Tensors& t) {
    forward().tensors(s, draw, t);
    for (Index i = 0; i < s.rows; ++i)
      for (Index j = 0; j < s.inputs; ++j) t.at("x").values(i, j) *= j % 2 == 0 ? 4096 : -4096;
  };
  check(cancelling);
}

BOOST_AUTO_TEST_SUITE_END()
