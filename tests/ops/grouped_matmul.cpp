#include <vlm/ops/grouped_matmul.hpp>

#include "ops/description.hpp"
#include "reference/grouped_matmul.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct Sizes {
  std::vector<double> groups;  // rows of each
  Index inputs, outputs;
  DType format = DType::F32;
  bool input_major = false;

  Index count() const { return static_cast<Index>(groups.size()); }
  Table offsets() const {
    Table offsets(count() + 1);
    for (Index e = 0; e < count(); ++e) offsets[e + 1] = offsets[e] + groups[static_cast<std::size_t>(e)];
    return offsets;
  }
  Index rows() const { return offsets().at(count()); }
};

const std::vector<Sizes> all_sizes = {{{0, 0, 0}, 8, 8},
                                      {{1}, 5, 3},
                                      {{0, 3, 0, 1, 0}, 24, 17},
                                      {{7, 1, 21}, 33, 40, DType::F32, true},
                                      {{1, 1, 1, 1, 0, 1}, 64, 32, DType::BF16},
                                      {{50, 0, 61, 13}, 72, 37, DType::BF16, true},
                                      {{130, 2}, 40, 65}};

const std::vector<Benchmark<Sizes>> model_sizes = {
    {"8 groups of 64, 2048 to 768, bf16", {std::vector<double>(8, 64), 2048, 768, DType::BF16}}};

Work work_of(const Sizes& s) {
  return {.flop = 2 * static_cast<double>(s.rows()) * static_cast<double>(s.inputs * s.outputs)};
}

void fill(const Sizes& s, Draw& draw, Tensors& t) {
  t.input("x", draw.normal(s.rows(), s.inputs)).by_row();
  t.input("weights", rounded(draw.normal(s.count() * s.outputs, s.inputs, 0.2), s.format))
      .stored(s.format, s.input_major)
      .group_of(s.count());
  t.input("offsets", s.offsets()).vector().integer();
}

// The offsets of the groups within a range of the rows.
void cut(Tensors& t, Index first, Index count) {
  for (double& offset : t.at("offsets").values.values)
    offset = std::clamp(offset - static_cast<double>(first), 0.0, static_cast<double>(count));
}

Description<Sizes> forward() {
  return {
      .name = "grouped linear forward",
      .message = message<GroupedForward>(),
      .tolerance = product,
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .work = work_of,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            fill(s, draw, t);
            t.output("y", s.rows(), s.outputs).by_row();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(GroupedForward<Cpu, float>{
                .x = m["x"], .weights = m["weights"], .offsets = m["offsets"], .y = m["y"]});
          },
      .reference = [](const Sizes&,
                      Tensors& t) { t.result("y", reference::grouped(t["x"], t["weights"], t["offsets"])); },
      .cut = cut,
  };
}

double objective(const Sizes&, const Tensors& t) {
  return dot(t["dy"], reference::grouped(t["x"], t["weights"], t["offsets"]));
}

Description<Sizes> backward_input() {
  return {
      .name = "grouped linear backward to the input",
      .message = message<GroupedBackwardInput>(),
      .tolerance = product,
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .work = work_of,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            fill(s, draw, t);
            t.input("dy", draw.normal(s.rows(), s.outputs)).by_row();
            t.output("dx", s.rows(), s.inputs).by_row();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(GroupedBackwardInput<Cpu, float>{
                .dy = m["dy"], .weights = m["weights"], .offsets = m["offsets"], .dx = m["dx"]});
          },
      .reference =
          [](const Sizes&, Tensors& t) {
            t.result("dx", reference::grouped_backward_input(t["dy"], t["weights"], t["offsets"]));
          },
      .objective = objective,
      .gradients = {{"x", "dx"}},
      .cut = cut,
  };
}

Description<Sizes> backward_weight() {
  return {
      .name = "grouped linear backward to the weights",
      .message = message<GroupedBackwardWeight>(),
      .tolerance = product,
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .work = work_of,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            fill(s, draw, t);
            t.input("dy", draw.normal(s.rows(), s.outputs));
            t.sum("dweights", draw.normal(s.count() * s.outputs, s.inputs))
                .stored(DType::F32, s.input_major)
                .group_of(s.count());
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes& s, const Memory& m) {
            runtime.run(GroupedBackwardWeight<Cpu, float>{.dy = m["dy"],
                                                          .x = m["x"],
                                                          .offsets = m["offsets"],
                                                          .dweights = m["dweights"],
                                                          .input_major = s.input_major});
          },
      .reference =
          [](const Sizes&, Tensors& t) {
            t.result("dweights", reference::grouped_backward_weight(t["dy"], t["x"], t["offsets"]));
          },
      .objective = objective,
      .gradients = {{"weights", "dweights"}},
  };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_grouped_matmul)

VLM_OPERATION(forward_agrees, forward());
VLM_OPERATION(backward_to_the_input_agrees, backward_input());
VLM_OPERATION(backward_to_the_weights_agrees, backward_weight());

BOOST_AUTO_TEST_SUITE_END()
