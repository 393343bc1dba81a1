#include <vlm/ops/add.hpp>

#include "ops/description.hpp"
#include "reference/add.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct Sizes {
  Index rows, features;
};

const std::vector<Sizes> all_sizes = {{0, 8}, {1, 1}, {1, 64}, {3, 7}, {17, 33}, {5, 1000}, {130, 257}};

const std::vector<Benchmark<Sizes>> model_sizes = {{"512 x 2048", {512, 2048}}};

// Either operand may be the sum's place.
Description<Sizes> add(const std::string& shared) {
  return {
      .name = "add forward, into " + shared,
      .message = message<Add>(),
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .tensors =
          [shared](const Sizes& s, Draw& draw, Tensors& t) {
            t.input("a", draw.normal(s.rows, s.features)).by_row();
            t.input("b", draw.normal(s.rows, s.features)).by_row();
            t.output("into", s.rows, s.features).by_row().may_be(shared);
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(Add<Cpu, float>{.into = m["into"], .a = m["a"], .b = m["b"]});
          },
      .reference = [](const Sizes&, Tensors& t) { t.result("into", reference::add(t["a"], t["b"])); },
  };
}

Description<Sizes> copy() {
  return {
      .name = "copy",
      .message = message<Copy>(),
      .tolerance = 0,
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.input("from", draw.normal(s.rows, s.features)).by_row();
            t.output("into", s.rows, s.features).by_row();
          },
      .run = [](Runtime<Cpu>& runtime, const Sizes&,
                const Memory& m) { runtime.run(Copy<Cpu, float>{.into = m["into"], .from = m["from"]}); },
      .reference = [](const Sizes&, Tensors& t) { t.result("into", t["from"]); },
  };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_add)

VLM_OPERATION(add_into_the_first_agrees, add("a"));
VLM_OPERATION(add_into_the_second_agrees, add("b"));
VLM_OPERATION(copy_agrees, copy());

BOOST_AUTO_TEST_SUITE_END()
