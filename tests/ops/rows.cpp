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

// Different places, and a table to change there.
void fill_places(const Sizes& s, Draw& draw, Tensors& t) {
  t.input("at", draw.distinct(s.rows, s.count)).vector().integer();
  t.input("from", draw.normal(s.count, s.features));
  t.replaced("into", draw.normal(s.rows, s.features));
}

Description<Sizes> place() {
  return {.name = "place rows",
          .tolerance = 0,
          .sizes = all_sizes,
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
      .sizes = all_sizes,
      .tensors = fill_places,
      .run = [](Runtime<Cpu>& runtime, const Sizes&,
                const Memory& m) { runtime.run(AddRows<Cpu, float>{m["into"], m["at"], m["from"]}); },
      .reference = [](const Sizes&,
                      Tensors& t) { t.result("into", reference::add_rows(t["into"], t["at"], t["from"])); }};
}

Description<Sizes> take() {
  return {.name = "take rows",
          .tolerance = 0,
          .sizes = all_sizes,
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
          .tolerance = 0,
          .sizes = all_sizes,
          .tensors = fill_places,
          .run = [](Runtime<Cpu>& runtime, const Sizes&,
                    const Memory& m) { runtime.run(ZeroRows<Cpu, float>{m["into"], m["at"]}); },
          .reference = [](const Sizes&,
                          Tensors& t) { t.result("into", reference::zero_rows(t["into"], t["at"])); }};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_rows)

BOOST_AUTO_TEST_CASE(place_agrees) { check(place()); }
BOOST_AUTO_TEST_CASE(add_agrees) { check(add()); }
BOOST_AUTO_TEST_CASE(take_agrees) { check(take()); }
BOOST_AUTO_TEST_CASE(zero_agrees) { check(zero()); }

BOOST_AUTO_TEST_SUITE_END()
