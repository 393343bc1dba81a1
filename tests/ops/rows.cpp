#include <vlm/ops/rows.hpp>

#include "ops/description.hpp"
#include "reference/rows.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct Sizes {
  Index rows, count, features;
};

const std::vector<Sizes> all_sizes = {{4, 0, 8},    {1, 1, 1},      {9, 1, 64},  {9, 9, 7},
                                      {50, 17, 33}, {300, 130, 24}, {5, 3, 1000}};

const std::vector<Benchmark<Sizes>> model_sizes = {{"256 of 512 x 2048", {512, 256, 2048}}};

// The rows at the places, read or written `times` times.
Work moving(const Sizes& s, int times) {
  return {.bytes = times * static_cast<double>(s.count * s.features) * 4};
}

// Different places, and a table to change there.
void fill_places(const Sizes& s, Draw& draw, Tensors& t) {
  t.input("at", draw.distinct(s.rows, s.count)).vector().integer();
  t.input("from", draw.normal(s.count, s.features));
  t.replaced("into", draw.normal(s.rows, s.features));
}

Description<Sizes> place() {
  return {.name = "place rows",
          .message = message<PlaceRows>(),
          .tolerance = 0,
          .sizes = all_sizes,
          .benchmarks = model_sizes,
          .work = [](const Sizes& s) { return moving(s, 2); },
          .tensors = fill_places,
          .run = [](Runtime<Cpu>& runtime, const Sizes&,
                    const Memory& m) { runtime.run(PlaceRows<Cpu, float>{m["into"], m["at"], m["from"]}); },
          .reference =
              [](const Sizes&, Tensors& t) {
                t.result("into", reference::place_rows(t["into"], t["at"], t["from"]));
              }};
}

Description<Sizes> add() {
  return {
      .name = "add rows",
      .message = message<AddRows>(),
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .work = [](const Sizes& s) { return moving(s, 3); },
      .tensors = fill_places,
      .run = [](Runtime<Cpu>& runtime, const Sizes&,
                const Memory& m) { runtime.run(AddRows<Cpu, float>{m["into"], m["at"], m["from"]}); },
      .reference = [](const Sizes&,
                      Tensors& t) { t.result("into", reference::add_rows(t["into"], t["at"], t["from"])); }};
}

Description<Sizes> take() {
  return {.name = "take rows",
          .message = message<TakeRows>(),
          .tolerance = 0,
          .sizes = all_sizes,
          .benchmarks = model_sizes,
          .work = [](const Sizes& s) { return moving(s, 2); },
          .tensors =
              [](const Sizes& s, Draw& draw, Tensors& t) {
                t.input("at", draw.below(s.rows, s.count)).vector().integer().by_row();
                t.input("from", draw.normal(s.rows, s.features));
                t.output("into", s.count, s.features).by_row();
              },
          .run = [](Runtime<Cpu>& runtime, const Sizes&,
                    const Memory& m) { runtime.run(TakeRows<Cpu, float>{m["into"], m["at"], m["from"]}); },
          .reference = [](const Sizes&,
                          Tensors& t) { t.result("into", reference::take_rows(t["from"], t["at"])); }};
}

Description<Sizes> zero() {
  return {.name = "zero rows",
          .message = message<ZeroRows>(),
          .tolerance = 0,
          .sizes = all_sizes,
          .benchmarks = model_sizes,
          .work = [](const Sizes& s) { return moving(s, 1); },
          .tensors = fill_places,
          .run = [](Runtime<Cpu>& runtime, const Sizes&,
                    const Memory& m) { runtime.run(ZeroRows<Cpu, float>{m["into"], m["at"]}); },
          .reference = [](const Sizes&,
                          Tensors& t) { t.result("into", reference::zero_rows(t["into"], t["at"])); }};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_rows)

VLM_OPERATION(place_agrees, place());
VLM_OPERATION(add_agrees, add());
VLM_OPERATION(take_agrees, take());
VLM_OPERATION(zero_agrees, zero());

BOOST_AUTO_TEST_SUITE_END()
