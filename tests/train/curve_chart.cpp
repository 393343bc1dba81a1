#include <vlm/train/curve_chart.hpp>

#include <boost/test/unit_test.hpp>

#include <cmath>

using namespace vlm;

namespace {

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
  return count;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(train_curve_chart)

// Two values from 1 to 2 over the steps 1 to 11: from the lower left to the upper right corner of the axes.
BOOST_AUTO_TEST_CASE(a_line_spans_the_axes) {
  const std::string svg = curve_chart({{.name = "loss", .points = {{1, 1}, {11, 2}}}});
  BOOST_TEST(svg.find("points=\"56.0,212.0 628.0,24.0\"") != std::string::npos, svg);
  for (const char* text : {">1</text>", ">1.2</text>", ">2</text>", ">loss</text>", ">10</text>"})
    BOOST_TEST(svg.find(text) != std::string::npos, text);
}

BOOST_AUTO_TEST_CASE(what_is_not_finite_is_not_drawn) {
  const std::string svg =
      curve_chart({{.name = "loss", .points = {{1, 1}, {2, std::nan("")}, {3, INFINITY}, {4, 2}}}});
  BOOST_TEST(svg.find("nan") == std::string::npos);
  BOOST_TEST(svg.find("inf") == std::string::npos);
  BOOST_TEST(svg.find("points=\"56.0,212.0 628.0,24.0\"") != std::string::npos, svg);
  BOOST_TEST(curve_chart({}) == "");
  BOOST_TEST(curve_chart({{.name = "loss", .points = {{1, std::nan("")}}}}) == "");
}

BOOST_AUTO_TEST_CASE(values_that_are_alike_have_axes_too) {
  const std::string svg = curve_chart({{.name = "zero", .points = {{1, 0}, {2, 0}}}});
  BOOST_TEST(svg.find("points=\"56.0,") != std::string::npos, svg);
  BOOST_TEST(svg.find("nan") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(many_steps_are_thinned_to_means) {
  Curve curve{.name = "loss"};
  for (int step = 1; step <= 10000; ++step) curve.points.emplace_back(step, step % 2);
  const std::string svg = curve_chart({curve});
  BOOST_TEST(count_of(svg, ",") == 400u);
}

BOOST_AUTO_TEST_CASE(few_values_are_dots) {
  const std::string svg = curve_chart({{.name = "a <b>", .points = {{1, 1}, {9, 2}}},
                                       {.name = "validation", .points = {{3, 1}, {6, 2}}, .dots = true}});
  BOOST_TEST(count_of(svg, "<circle ") == 2u);
  BOOST_TEST(count_of(svg, "<polyline ") == 2u);
  BOOST_TEST(svg.find("a &lt;b&gt;") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
