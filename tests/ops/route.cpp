#include <vlm/ops/route.hpp>

#include "ops/description.hpp"
#include "reference/route.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct Sizes {
  Index rows, experts, k, features = 8;
};

const std::vector<Sizes> all_sizes = {{0, 4, 2, 8},    {1, 1, 1, 5},     {1, 8, 2, 64},
                                      {7, 5, 5, 33},   {40, 8, 2, 24},   {33, 128, 8, 72},
                                      {21, 19, 3, 17}, {130, 60, 4, 17}, {3, 16, 1, 1000}};

const std::vector<Benchmark<Sizes>> model_sizes = {{"512 x 2048 to 8 of 128 experts", {512, 128, 8, 2048}}};

Work combining(const Sizes& s) { return {.flop = 2 * static_cast<double>(s.rows * s.k * s.features)}; }

// What a forward leaves for the others.
void fill_routing(const Sizes& s, Draw& draw, Tensors& t) {
  const Table probabilities = rounded(reference::softmax(draw.normal(s.rows, s.experts, 2)));
  const Table experts = reference::largest_of_rows(probabilities, s.k);
  t.input("probabilities", probabilities).by_row();
  t.input("experts", experts).integer().by_row();
  t.input("weights", rounded(reference::renormalised(probabilities, experts))).by_row();
  t.input("slots", reference::sort_by_expert(experts, s.experts).slots).integer().by_row();
}

Description<Sizes> forward() {
  return {
      .name = "route forward",
      .message = message<RouteForward>(),
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .work = [](const Sizes& s) { return Work{.exponentials = static_cast<double>(s.rows * s.experts)}; },
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.input("logits", draw.normal(s.rows, s.experts, 2)).by_row();
            t.output("probabilities", s.rows, s.experts).by_row();
            t.output("experts", s.rows, s.k).integer().by_row();
            t.output("weights", s.rows, s.k).by_row();
            t.output("offsets", s.experts + 1, 1).vector().integer();
            t.output("source_rows", s.rows * s.k, 1).vector().integer();
            t.output("slots", s.rows, s.k).integer();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(RouteForward<Cpu, float>{.logits = m["logits"],
                                                 .probabilities = m["probabilities"],
                                                 .experts = m["experts"],
                                                 .weights = m["weights"],
                                                 .offsets = m["offsets"],
                                                 .source_rows = m["source_rows"],
                                                 .slots = m["slots"]});
          },
      .reference =
          [](const Sizes& s, Tensors& t) {
            const Table probabilities = reference::softmax(t["logits"]);
            const Table experts = reference::largest_of_rows(probabilities, s.k);
            const auto sorted = reference::sort_by_expert(experts, s.experts);
            t.result("probabilities", probabilities);
            t.result("experts", experts);
            t.result("weights", reference::renormalised(probabilities, experts));
            t.result("offsets", sorted.offsets);
            t.result("source_rows", sorted.source_rows);
            t.result("slots", sorted.slots);
          },
      // The places among fewer rows are others.
      .cut =
          [](Tensors& t, Index, Index count) {
            t.at("source_rows").values = Table(count * t["experts"].columns);
            t.at("slots").values = Table(count, t["experts"].columns);
          },
  };
}

Description<Sizes> backward(bool balanced) {
  return {
      .name = balanced ? "route backward, with balance" : "route backward",
      .message = message<RouteBackward>(),
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .tensors =
          [balanced](const Sizes& s, Draw& draw, Tensors& t) {
            const Table logits = draw.normal(s.rows, s.experts, 2);
            const Table probabilities = rounded(reference::softmax(logits));
            const Table experts = reference::largest_of_rows(probabilities, s.k);
            t.input("logits", logits).by_row();
            t.input("probabilities", probabilities).by_row();
            t.input("experts", experts).integer().by_row();
            t.input("weights", rounded(reference::renormalised(probabilities, experts))).by_row();
            t.input("dweights", draw.normal(s.rows, s.k)).by_row();
            if (balanced) t.input("balance", draw.normal(s.experts)).vector();
            t.output("dlogits", s.rows, s.experts).by_row();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(RouteBackward<Cpu, float>{.probabilities = m["probabilities"],
                                                  .experts = m["experts"],
                                                  .weights = m["weights"],
                                                  .dweights = m["dweights"],
                                                  .balance = m["balance"],
                                                  .dlogits = m["dlogits"]});
          },
      .reference =
          [](const Sizes&, Tensors& t) {
            const Table probabilities = reference::softmax(t["logits"]);
            t.result("dlogits",
                     reference::route_backward(probabilities, t["experts"], t["dweights"], t["balance"]));
          },
      .objective =
          [](const Sizes&, const Tensors& t) {
            const Table probabilities = reference::softmax(t["logits"]);
            double sum = dot(t["dweights"], reference::renormalised(probabilities, t["experts"]));
            for (Index i = 0; i < probabilities.rows; ++i)
              for (Index e = 0; e < t["balance"].rows; ++e) sum += probabilities(i, e) * t["balance"][e];
            return sum;
          },
      .gradients = {{"logits", "dlogits"}},
  };
}

Description<Sizes> combine_forward() {
  return {
      .name = "combine forward",
      .message = message<CombineForward>(),
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .work = combining,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            fill_routing(s, draw, t);
            t.input("from", draw.normal(s.rows * s.k, s.features));
            t.output("y", s.rows, s.features).by_row();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(CombineForward<Cpu, float>{
                .from = m["from"], .slots = m["slots"], .weights = m["weights"], .y = m["y"]});
          },
      .reference = [](const Sizes&,
                      Tensors& t) { t.result("y", reference::combine(t["from"], t["slots"], t["weights"])); },
  };
}

Description<Sizes> combine_backward() {
  return {
      .name = "combine backward",
      .message = message<CombineBackward>(),
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .work = [](const Sizes& s) { return Work{.flop = 2 * combining(s).flop}; },
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            fill_routing(s, draw, t);
            t.input("from", draw.normal(s.rows * s.k, s.features));
            t.input("dy", draw.normal(s.rows, s.features)).by_row();
            t.output("dfrom", s.rows * s.k, s.features);
            t.output("dweights", s.rows, s.k).by_row();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(CombineBackward<Cpu, float>{.dy = m["dy"],
                                                    .from = m["from"],
                                                    .slots = m["slots"],
                                                    .weights = m["weights"],
                                                    .dfrom = m["dfrom"],
                                                    .dweights = m["dweights"]});
          },
      .reference =
          [](const Sizes&, Tensors& t) {
            const auto gradients = reference::combine_backward(t["dy"], t["from"], t["slots"], t["weights"]);
            t.result("dfrom", gradients.dfrom);
            t.result("dweights", gradients.dweights);
          },
      .objective =
          [](const Sizes&, const Tensors& t) {
            return dot(t["dy"], reference::combine(t["from"], t["slots"], t["weights"]));
          },
      .gradients = {{"from", "dfrom"}, {"weights", "dweights"}},
  };
}

Description<Sizes> gather_sum() {
  return {
      .name = "gather sum",
      .message = message<GatherSum>(),
      .sizes = all_sizes,
      .benchmarks = model_sizes,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            fill_routing(s, draw, t);
            t.input("from", draw.normal(s.rows * s.k, s.features));
            t.output("y", s.rows, s.features).by_row();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(GatherSum<Cpu, float>{.from = m["from"], .slots = m["slots"], .y = m["y"]});
          },
      .reference =
          [](const Sizes& s, Tensors& t) {
            t.result("y", reference::combine(t["from"], t["slots"], Table(s.rows, s.k, 1)));
          },
  };
}

Description<Sizes> balance() {
  return {
      .name = "balance loss",
      .message = message<BalanceLoss>(),
      .sizes = {{0, 4, 2}, {1, 1, 1}, {1, 8, 2}, {7, 5, 5}, {40, 8, 2}, {37, 19, 3}, {130, 60, 4}},
      .benchmarks = model_sizes,
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            fill_routing(s, draw, t);
            t.input("offsets", reference::sort_by_expert(t["experts"], s.experts).offsets).vector().integer();
            t.input("shift", Table(s.experts)).vector();
            t.output("derivative", s.experts, 1).vector();
            t.sum("loss", draw.normal(1)).vector();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            runtime.run(BalanceLoss<Cpu, float>{.probabilities = m["probabilities"],
                                                .offsets = m["offsets"],
                                                .counts = {},
                                                .coefficient = 0.125f,
                                                .derivative = m["derivative"],
                                                .loss = m["loss"]});
          },
      .reference =
          [](const Sizes&, Tensors& t) {
            const auto result = reference::balance_loss(t["probabilities"], t["offsets"], 0.125);
            t.result("loss", table(1, 1, {result.loss}));
            t.result("derivative", result.derivative);
          },
      // `shift` moves the probabilities of all rows, the derivative is that of one.
      .objective =
          [](const Sizes& s, const Tensors& t) {
            Table shifted = t["probabilities"];
            for (Index i = 0; i < s.rows; ++i)
              for (Index e = 0; e < s.experts; ++e) shifted(i, e) += t["shift"][e];
            const double rows = static_cast<double>(std::max<Index>(1, s.rows));
            return reference::balance_loss(shifted, t["offsets"], 0.125).loss / rows;
          },
      .gradients = {{"shift", "derivative"}},
  };
}

template <class T>
View<T, 2, Cpu> rows_of(std::vector<T>& values, Index rows) {
  return {values.data(), Shape<2>{{rows, static_cast<Index>(values.size()) / std::max<Index>(rows, 1)}}};
}
template <class T>
View<T, 1, Cpu> vector_of(std::vector<T>& values) {
  return {values.data(), Shape<1>{{static_cast<Index>(values.size())}}};
}

// The loss of rows that all have the given probabilities, with ten slots shared out as given.
float balance_of(std::vector<float> probabilities, std::vector<std::int32_t> offsets,
                 View<std::int64_t, 1, Cpu> counts = {}, bool counted = false) {
  std::vector<float> derivative(probabilities.size()), loss = {0};
  Runtime<Cpu> runtime(1);
  runtime.run(BalanceLoss<Cpu, float>{.probabilities = rows_of(probabilities, 1),
                                      .offsets = vector_of(offsets),
                                      .counts = counts,
                                      .counted = counted,
                                      .coefficient = 1,
                                      .derivative = vector_of(derivative),
                                      .loss = vector_of(loss)});
  return loss[0];
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_route)

VLM_OPERATION(forward_agrees, forward());
VLM_OPERATION(backward_agrees, backward(false));
VLM_OPERATION(balanced_backward_agrees, backward(true));
VLM_OPERATION(combine_forward_agrees, combine_forward());
VLM_OPERATION(combine_backward_agrees, combine_backward());
VLM_OPERATION(gather_sum_agrees, gather_sum());
VLM_OPERATION(balance_agrees, balance());

BOOST_AUTO_TEST_CASE(ties_go_to_the_lower_index) {
  std::vector<float> logits = {1, 3, 3, 1, 3, 0, 0, 0, 0, 0}, probabilities(10), weights(6);
  std::vector<std::int32_t> experts(6), offsets(6), source_rows(6), slots(6);
  Runtime<Cpu> runtime(1);
  runtime.run(RouteForward<Cpu, float>{.logits = rows_of(logits, 2),
                                       .probabilities = rows_of(probabilities, 2),
                                       .experts = rows_of(experts, 2),
                                       .weights = rows_of(weights, 2),
                                       .offsets = vector_of(offsets),
                                       .source_rows = vector_of(source_rows),
                                       .slots = rows_of(slots, 2)});
  BOOST_TEST(experts == (std::vector<std::int32_t>{1, 2, 4, 0, 1, 2}), boost::test_tools::per_element());
  BOOST_TEST(offsets == (std::vector<std::int32_t>{0, 1, 3, 5, 5, 6}), boost::test_tools::per_element());
  BOOST_TEST(source_rows == (std::vector<std::int32_t>{1, 0, 1, 0, 1, 0}), boost::test_tools::per_element());
  BOOST_TEST(slots == (std::vector<std::int32_t>{1, 3, 5, 0, 2, 4}), boost::test_tools::per_element());
}

// A diverged model must not send rows to experts that do not exist.
BOOST_AUTO_TEST_CASE(not_a_number_still_chooses_different_experts) {
  std::vector<float> logits(3, NAN), probabilities(3), weights(2);
  std::vector<std::int32_t> experts(2), offsets(4), source_rows(2), slots(2);
  Runtime<Cpu> runtime(1);
  runtime.run(RouteForward<Cpu, float>{.logits = rows_of(logits, 1),
                                       .probabilities = rows_of(probabilities, 1),
                                       .experts = rows_of(experts, 1),
                                       .weights = rows_of(weights, 1),
                                       .offsets = vector_of(offsets),
                                       .source_rows = vector_of(source_rows),
                                       .slots = rows_of(slots, 1)});
  BOOST_TEST(experts == (std::vector<std::int32_t>{0, 1}), boost::test_tools::per_element());
  BOOST_TEST(std::isnan(weights[0]));
}

// Two micro-batches whose experts are swapped, alone and together.
BOOST_AUTO_TEST_CASE(balance_worked_numbers) {
  const auto near = boost::test_tools::tolerance(1e-6f);
  BOOST_TEST(balance_of({0.6f, 0.2f, 0.1f, 0.1f}, {0, 7, 8, 9, 10}) == 1.84f, near);
  BOOST_TEST(balance_of({0.2f, 0.6f, 0.1f, 0.1f}, {0, 1, 8, 9, 10}) == 1.84f, near);
  BOOST_TEST(balance_of({0.4f, 0.4f, 0.1f, 0.1f}, {0, 8, 16, 18, 20}) == 1.36f, near);
  BOOST_TEST(balance_of({0.25f, 0.25f, 0.25f, 0.25f}, {0, 2, 4, 6, 8}) == 1.0f, near);
}

// The same micro-batches with the choices of the whole batch: of those so far, then of both.
BOOST_AUTO_TEST_CASE(balance_over_what_was_counted) {
  const auto near = boost::test_tools::tolerance(1e-6f);
  const std::vector<float> first = {0.6f, 0.2f, 0.1f, 0.1f}, second = {0.2f, 0.6f, 0.1f, 0.1f};
  std::vector<std::int64_t> counts(4);
  BOOST_TEST(balance_of(first, {0, 7, 8, 9, 10}, vector_of(counts)) == 1.84f, near);
  BOOST_TEST(balance_of(second, {0, 1, 8, 9, 10}, vector_of(counts)) == 1.36f, near);
  BOOST_TEST(counts == (std::vector<std::int64_t>{8, 8, 2, 2}), boost::test_tools::per_element());
  // Known from the start, they give both micro-batches the global value.
  BOOST_TEST(balance_of(first, {0, 7, 8, 9, 10}, vector_of(counts), true) == 1.36f, near);
  BOOST_TEST(balance_of(second, {0, 1, 8, 9, 10}, vector_of(counts), true) == 1.36f, near);
  BOOST_TEST(counts == (std::vector<std::int64_t>{8, 8, 2, 2}), boost::test_tools::per_element());
}

// A forward pass adds to what was counted before.
BOOST_AUTO_TEST_CASE(forward_counts_choices) {
  std::vector<float> logits = {1, 3, 2, 0, 2, 3, 1, 0}, probabilities(8), weights(4);
  std::vector<std::int32_t> experts(4), offsets(5), source_rows(4), slots(4);
  std::vector<std::int64_t> counts = {5, 0, 0, 7};
  Runtime<Cpu> runtime(1);
  runtime.run(RouteForward<Cpu, float>{.logits = rows_of(logits, 2),
                                       .probabilities = rows_of(probabilities, 2),
                                       .experts = rows_of(experts, 2),
                                       .weights = rows_of(weights, 2),
                                       .offsets = vector_of(offsets),
                                       .source_rows = vector_of(source_rows),
                                       .slots = rows_of(slots, 2),
                                       .counts = vector_of(counts)});
  BOOST_TEST(counts == (std::vector<std::int64_t>{6, 2, 1, 7}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(balance_of_no_rows_adds_nothing) {
  std::vector<float> none, derivative(4, 7.0f), loss = {0.5f};
  std::vector<std::int32_t> offsets(5);
  Runtime<Cpu> runtime(1);
  runtime.run(BalanceLoss<Cpu, float>{.probabilities = {none.data(), Shape<2>{{0, 4}}},
                                      .offsets = vector_of(offsets),
                                      .coefficient = 1,
                                      .derivative = vector_of(derivative),
                                      .loss = vector_of(loss)});
  BOOST_TEST(loss[0] == 0.5f);
  BOOST_TEST(derivative == std::vector<float>(4), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
