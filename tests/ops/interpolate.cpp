#include <vlm/ops/interpolate.hpp>

#include "ops/description.hpp"
#include "reference/interpolate.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct Sizes {
  Index rows, positions, features;
};

const std::vector<Sizes> all_sizes = {{0, 4, 8},   {1, 1, 1},    {3, 16, 7},
                                      {17, 4, 33}, {64, 48, 72}, {130, 9, 24}};

const std::vector<Benchmark<Sizes>> model_sizes = {{"1024 x 1024 of 2304", {1024, 2304, 1024}}};

Work work_of(const Sizes& s) { return {.flop = 8 * static_cast<double>(s.rows * s.features)}; }

void fill(const Sizes& s, Draw& draw, Tensors& t) {
  t.input("table", draw.normal(s.positions, s.features));
  t.input("corners", draw.below(s.positions, s.rows, 4)).integer().by_row();
  t.input("weights", draw.normal(s.rows, 4)).by_row();
}

Description<Sizes> forward() {
  return {
      .name = "interpolation forward",
      .message = message<InterpolateForward>(),
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .work = work_of,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            fill(s, draw, t);
            t.sum("y", draw.normal(s.rows, s.features)).by_row();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(InterpolateForward<Cpu, float>{
                .table = m["table"], .corners = m["corners"], .weights = m["weights"], .y = m["y"]});
          },
      .reference =
          [](const Sizes&, Tensors& t) {
            t.result("y", reference::interpolate(t["table"], t["corners"], t["weights"]));
          },
  };
}

Description<Sizes> backward() {
  return {
      .name = "interpolation backward",
      .message = message<InterpolateBackward>(),
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .work = work_of,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            fill(s, draw, t);
            t.input("dy", draw.normal(s.rows, s.features)).by_row();
            t.sum("dtable", draw.normal(s.positions, s.features));
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(InterpolateBackward<Cpu, float>{
                .dy = m["dy"], .corners = m["corners"], .weights = m["weights"], .dtable = m["dtable"]});
          },
      .reference =
          [](const Sizes& s, Tensors& t) {
            t.result("dtable",
                     reference::interpolate_backward(t["dy"], t["corners"], t["weights"], s.positions));
          },
      .objective =
          [](const Sizes&, const Tensors& t) {
            return dot(t["dy"], reference::interpolate(t["table"], t["corners"], t["weights"]));
          },
      .gradients = {{"table", "dtable"}},
  };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_interpolate)

VLM_OPERATION(forward_agrees, forward());
VLM_OPERATION(backward_agrees, backward());

BOOST_AUTO_TEST_SUITE_END()
