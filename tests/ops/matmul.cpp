#include <vlm/ops/matmul.hpp>

#include "ops/description.hpp"
#include "reference/activation.hpp"
#include "reference/matmul.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct Sizes {
  Index rows, inputs, outputs;
  DType format = DType::F32;
  bool input_major = false;
  bool extra = false;  // with a bias, or adding
  Activation activation = Activation::None;
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
                                      {270, 40, 420},
                                      {31, 300, 390, DType::BF16},
                                      {129, 1030, 35, DType::F32, false, true}};

const std::vector<Benchmark<Sizes>> model_sizes = {
    {"512 x 2048 to 6144, bf16", {512, 2048, 6144, DType::BF16}},
    {"1 x 2048 to 6144, bf16", {1, 2048, 6144, DType::BF16}}};

Work work_of(const Sizes& s) { return {.flop = 2 * static_cast<double>(s.rows * s.inputs * s.outputs)}; }

Table weight(const Sizes& s, Draw& draw) { return rounded(draw.normal(s.outputs, s.inputs, 0.2), s.format); }

// Sizes with an activation after the product, for every road.
std::vector<Sizes> with_activations(std::vector<Sizes> sizes) {
  for (Index rows : {1, 7, 50}) {
    sizes.push_back({rows, 40, 70, DType::F32, false, true, Activation::GeluTanh});
    sizes.push_back({rows, 40, 70, DType::BF16, true, false, Activation::GeluErf});
  }
  return sizes;
}

Description<Sizes> forward() {
  return {
      .name = "linear forward",
      .message = message<LinearForward>(),
      .tolerance = product,
      .sizes = with_activations(all_sizes),
      .benchmarks = model_sizes,
      .work = work_of,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.input("x", draw.normal(s.rows, s.inputs)).by_row();
            t.input("weight", weight(s, draw)).stored(s.format, s.input_major);
            if (s.extra) t.input("bias", draw.normal(s.outputs)).vector();
            t.output("y", s.rows, s.outputs).by_row();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes& s, const Memory& m) {
            runtime.run(LinearForward<Cpu, float>{.x = m["x"],
                                                  .weight = m["weight"],
                                                  .bias = m["bias"],
                                                  .y = m["y"],
                                                  .activation = s.activation});
          },
      .reference =
          [](const Sizes& s, Tensors& t) {
            const Table y = reference::linear(t["x"], t["weight"], t["bias"]);
            const bool tanh_form = s.activation == Activation::GeluTanh;
            t.result("y", s.activation == Activation::None ? y : reference::gelu(y, tanh_form));
          },
  };
}

// Three weights of as many outputs each, the second with a bias or without one.
Description<Sizes> forward_together() {
  return {
      .name = "linear forward of several weights",
      .message = message<LinearForwards>(),
      .tolerance = product,
      .sizes = all_sizes,
      .benchmarks = {{"1 x 2048 to 3 x 2048, bf16", {1, 2048, 2048, DType::BF16}}},
      .work = [](const Sizes& s) { return Work{.flop = 3 * work_of(s).flop}; },
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.input("x", draw.normal(s.rows, s.inputs)).by_row();
            for (const char* number : {"0", "1", "2"}) {
              t.input(std::string("weight") + number, weight(s, draw)).stored(s.format, s.input_major);
              t.output(std::string("y") + number, s.rows, s.outputs).by_row();
            }
            if (s.extra) t.input("bias", draw.normal(s.outputs)).vector();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(LinearForwards<Cpu, float>{
                .x = m["x"],
                .products = {{.weight = m["weight0"], .y = m["y0"]},
                             {.weight = m["weight1"], .bias = m["bias"], .y = m["y1"]},
                             {.weight = m["weight2"], .y = m["y2"]}},
                .count = 3});
          },
      .reference =
          [](const Sizes&, Tensors& t) {
            t.result("y0", reference::linear(t["x"], t["weight0"], {}));
            t.result("y1", reference::linear(t["x"], t["weight1"], t["bias"]));
            t.result("y2", reference::linear(t["x"], t["weight2"], {}));
          },
  };
}

Description<Sizes> backward_input() {
  return {
      .name = "linear backward to the input",
      .message = message<LinearBackwardInput>(),
      .tolerance = product,
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .work = work_of,
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
      .message = message<LinearBackwardWeight>(),
      .tolerance = product,
      .sizes = all_sizes,
      .benchmarks = {{"512 x 2048 to 6144", {512, 2048, 6144}}},
      .work = work_of,
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

VLM_OPERATION(forward_agrees, forward());
VLM_OPERATION(forward_of_several_weights_agrees, forward_together());
VLM_OPERATION(backward_to_the_input_agrees, backward_input());
VLM_OPERATION(backward_to_the_weight_agrees, backward_weight());

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
