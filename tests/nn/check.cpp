#include <vlm/nn/check.hpp>

#include <boost/test/unit_test.hpp>

#include "message_of.hpp"
#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

// y = weight * x * x, element by element, with one fault of each kind on request.
enum class Fault { None, Input, Weight, Overwrites, Accumulates, Skips };

template <Fault fault>
struct Square {
  using Environment = TrainedEnv;
  using E = Environment;
  static constexpr bool trained = true;
  struct Saved {
    In<E> x;
  };
  Param<E, 1> weight{Shape<1>{{3}}};

  Shape<2> out_shape(Index rows) const { return {{rows, 3}}; }
  void forward(On<E>, In<E> x, Out<E> y, Saved& saved) const {
    saved.x = x;
    for (Index i = 0; i < x.rows(); ++i)
      for (Index j = 0; j < 3; ++j) y(i, j) = weight.vector()(j) * x(i, j) * x(i, j);
  }
  void backward(On<E> s, const Saved& saved, In<E> dy, Out<E> dx) const {
    if (s.measuring()) return;
    const float factor = fault == Fault::Input ? 1.9f : 2.0f;
    for (Index i = 0; i < dy.rows(); ++i)
      for (Index j = 0; j < 3; ++j) {
        const float x = saved.x(i, j), slope = factor * weight.vector()(j) * x * dy(i, j);
        if (fault == Fault::Skips && i == 0 && j == 1) continue;
        dx(i, j) = fault == Fault::Accumulates ? dx(i, j) + slope : slope;
      }
    for (Index j = 0; j < 3; ++j) {
      float sum = 0;
      for (Index i = 0; i < dy.rows(); ++i) sum += saved.x(i, j) * saved.x(i, j) * dy(i, j);
      if (fault == Fault::Weight && j == 2) sum = -sum;
      float& into = weight.gradient()(j);
      into = fault == Fault::Overwrites ? sum : into + sum;
    }
  }
  template <class F>
  void visit(F&& f) {
    f("weight", weight);
  }
};

template <Fault fault>
std::string message() {
  try {
    require_gradients(Square<fault>(), {.rows = 4, .features = 3});
  } catch (const ConfigError& error) {
    BOOST_TEST(error.id() == "gradient");
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_check)

BOOST_AUTO_TEST_CASE(a_right_layer_passes) {
  const GradientReport report = check_gradients(Square<Fault::None>(), {.rows = 4, .features = 3});
  BOOST_TEST(report.largest_error < 1e-3);
  BOOST_TEST(report.compared == 12 + 3);
  BOOST_TEST(message<Fault::None>() == "no error");
}

BOOST_AUTO_TEST_CASE(compares_a_bounded_number_of_elements) {
  const GradientReport report =
      check_gradients(Square<Fault::None>(), {.rows = 100, .features = 3, .elements = 5});
  BOOST_TEST(report.compared == 5 + 3);
}

BOOST_AUTO_TEST_CASE(a_wrong_layer_is_named_with_the_place) {
  const GradientReport wrong = check_gradients(Square<Fault::Input>(), {.rows = 4, .features = 3});
  BOOST_TEST(wrong.tensor == "x");
  BOOST_TEST(std::abs(wrong.backward / wrong.differences - 0.95) < 1e-3);
  BOOST_TEST(wrong.largest_error > 0.04);

  BOOST_TEST(check_gradients(Square<Fault::Weight>(), {.rows = 4, .features = 3}).tensor == "weight");
  const std::string text = message<Fault::Weight>();
  BOOST_TEST(text.starts_with("vlm::ConfigError [gradient]\n  tensor    weight, element 2\n  expected  "),
             text);
  BOOST_TEST(
      text.ends_with(" from backward\n  try       compare backward with forward; parameter gradients add, dx "
                     "is overwritten"),
      text);
}

BOOST_AUTO_TEST_CASE(the_accumulation_rule_is_part_of_the_check) {
  BOOST_TEST(check_gradients(Square<Fault::Overwrites>(), {.rows = 4, .features = 3}).tensor == "weight");
  const GradientReport adds = check_gradients(Square<Fault::Accumulates>(), {.rows = 4, .features = 3});
  BOOST_TEST(adds.tensor == "x");
  BOOST_TEST(std::isinf(adds.largest_error));
}

// One element of dx that is never written, among far more than are compared.
BOOST_AUTO_TEST_CASE(a_hole_in_dx_is_found_wherever_it_is) {
  const GradientReport report =
      check_gradients(Square<Fault::Skips>(), {.rows = 2000, .features = 3, .elements = 2});
  BOOST_TEST(report.tensor == "x");
  BOOST_TEST(report.element == 1);
  BOOST_TEST(std::isinf(report.largest_error));
}

// Sums over no rows are 0, and so are their slopes.
BOOST_AUTO_TEST_CASE(no_rows_have_no_gradients) {
  const GradientReport report = check_gradients(Square<Fault::None>(), {.rows = 0, .features = 3});
  BOOST_TEST(report.largest_error == 0);
  BOOST_TEST(report.compared == 3);
}

BOOST_AUTO_TEST_CASE(settings_that_compare_nothing_are_refused) {
  const auto message = [](const GradientSettings& settings) {
    return message_of([&] { check_gradients(Square<Fault::None>(), settings); });
  };
  const auto text = [](const std::string& setting, const std::string& expected, const std::string& got) {
    return "vlm::ConfigError [gradient-settings]\n  setting   " + setting + "\n  expected  " + expected +
           "\n  got       " + got + "\n  try       the defaults of GradientSettings";
  };
  BOOST_TEST(message({.rows = -1, .features = 3}) == text("rows", "a count", "-1"));
  BOOST_TEST(message({.features = -3}) == text("features", "a count", "-3"));
  BOOST_TEST(message({.features = 3, .elements = 0}) == text("elements", "at least 1", "0"));
  BOOST_TEST(message({.features = 3, .step = 0}) == text("step", "a number above 0, at most 1", "0"));
  const auto borders = [&](std::vector<std::int32_t> list) {
    const View<const std::int32_t, 1, Cpu> view{list.data(), Shape<1>{{static_cast<Index>(list.size())}}};
    return message({.rows = 3, .features = 3, .sequences = {.query_offsets = view}});
  };
  BOOST_TEST(borders({0, 1, 3}) == "no error");
  BOOST_TEST(borders({1, 3}) == text("query_offsets", "borders that rise from 0", "1"));
  BOOST_TEST(borders({0, 2, 1, 3}) == text("query_offsets", "borders that rise from 0", "1"));
  for (const double tolerance : {0.0, 1.0, std::nan("")})
    BOOST_TEST(message({.features = 3, .tolerance = tolerance}).find("setting   tolerance") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_layer_keeps_its_own_memory) {
  Square<Fault::None> layer;
  float values[3] = {1, 2, 3}, gradients[3] = {4, 5, 6};
  layer.weight.bind(values, DType::F32);
  layer.weight.bind_gradient(gradients);
  check_gradients(layer, {.rows = 2, .features = 3});
  BOOST_TEST(layer.weight.data() == values);
  BOOST_TEST(layer.weight.gradient().data == gradients);
  BOOST_TEST(values[1] == 2.0f);
  BOOST_TEST(gradients[1] == 5.0f);
}

BOOST_AUTO_TEST_SUITE_END()
