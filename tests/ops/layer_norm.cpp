#include <vlm/ops/layer_norm.hpp>

#include "ops/description.hpp"
#include "reference/layer_norm.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

constexpr float eps = 1e-6f;

struct Sizes {
  Index rows, features;
  double offset = 0;  // far from zero, where mean(x^2) - mean^2 would fail
};

const std::vector<Sizes> all_sizes = {{0, 8},   {1, 5},    {1, 64},       {3, 7},        {17, 33}, {37, 128},
                                      {70, 72}, {9, 1001}, {33, 48, 100}, {130, 40, -3}, {401, 9}};

const std::vector<Benchmark<Sizes>> model_sizes = {{"1024 x 1024", {1024, 1024}}};

void fill(const Sizes& s, Draw& draw, Tensors& t) {
  Table x = draw.normal(s.rows, s.features);
  for (double& value : x.values) value += s.offset;
  t.input("x", rounded(x)).by_row();
  t.input("weight", draw.around_one(s.features)).vector();
  t.input("bias", draw.normal(s.features)).vector();
}

Description<Sizes> forward() {
  return {
      .name = "layer norm forward",
      .message = message<LayerNormForward>(),
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            fill(s, draw, t);
            t.output("y", s.rows, s.features).by_row().may_be("x");
            t.output("statistics", s.rows, 2).by_row().optional();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(LayerNormForward<Cpu, float>{.x = m["x"],
                                                     .weight = m["weight"],
                                                     .bias = m["bias"],
                                                     .y = m["y"],
                                                     .statistics = m["statistics"],
                                                     .eps = eps});
          },
      .reference =
          [](const Sizes&, Tensors& t) {
            t.result("y", reference::layer_norm(t["x"], t["weight"], t["bias"], eps));
            t.result("statistics", reference::layer_norm_statistics(t["x"], eps));
          },
  };
}

Description<Sizes> backward() {
  return {
      .name = "layer norm backward",
      .message = message<LayerNormBackward>(),
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            fill(s, draw, t);
            t.input("dy", draw.normal(s.rows, s.features)).by_row();
            t.input("statistics", rounded(reference::layer_norm_statistics(t["x"], eps))).by_row();
            t.output("dx", s.rows, s.features).by_row().may_be("dy").optional();
            t.sum("dweight", draw.normal(s.features)).vector();
            t.sum("dbias", draw.normal(s.features)).vector();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(LayerNormBackward<Cpu, float>{.dy = m["dy"],
                                                      .x = m["x"],
                                                      .weight = m["weight"],
                                                      .statistics = m["statistics"],
                                                      .dx = m["dx"],
                                                      .dweight = m["dweight"],
                                                      .dbias = m["dbias"]});
          },
      .reference =
          [](const Sizes&, Tensors& t) {
            const auto gradients = reference::layer_norm_backward(t["dy"], t["x"], t["weight"], eps);
            t.result("dx", gradients.dx);
            t.result("dweight", gradients.dweight);
            t.result("dbias", gradients.dbias);
          },
      .objective =
          [](const Sizes&, const Tensors& t) {
            return dot(t["dy"], reference::layer_norm(t["x"], t["weight"], t["bias"], eps));
          },
      .gradients = {{"x", "dx"}, {"weight", "dweight"}, {"bias", "dbias"}},
  };
}

// A frozen norm asks for neither of its gradients.
Description<Sizes> frozen_backward() {
  Description<Sizes> description = backward();
  description.name = "layer norm backward, of a frozen norm";
  description.tensors = [](const Sizes& s, Draw& draw, Tensors& t) {
    backward().tensors(s, draw, t);
    std::erase_if(t.all,
                  [](const Tensor& tensor) { return tensor.name == "dweight" || tensor.name == "dbias"; });
    t.at("dx").is_optional = false;
  };
  description.reference = [](const Sizes&, Tensors& t) {
    t.result("dx", reference::layer_norm_backward(t["dy"], t["x"], t["weight"], eps).dx);
  };
  description.gradients = {{"x", "dx"}};
  return description;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_layer_norm)

VLM_OPERATION(forward_agrees, forward());
VLM_OPERATION(backward_agrees, backward());
VLM_OPERATION(frozen_backward_agrees, frozen_backward());

BOOST_AUTO_TEST_SUITE_END()
