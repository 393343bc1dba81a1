// Gradient checker for any layer, also one of your own: its backward against central finite differences of
//   f = sum of r[i, j] * y[i, j]     with random r, summed in double
// by the input and by every parameter, and the rule that parameter gradients add and dx is overwritten.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/nn/probe.hpp>

namespace vlm {

struct GradientReport {
  double largest_error = 0;  // over all compared elements, relative to the largest gradient of its tensor
  std::string tensor;        // where it is: "x", or a parameter's name
  Index element = 0;
  double backward = 0, differences = 0;  // what the two say there
  Index compared = 0;                    // elements in all
};

namespace detail {

// Central differences of fourth order of f(distance).
template <class F>
double slope_of(F&& f, double h) {
  return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h);
}

// The slope of f, with shorter steps until it is within `bound` of `expected`: f may bend sharply or jump, as with a
// router's choice. The nearest one where none is.
template <class F>
double slope_near(F&& f, double step, double expected, double bound) {
  double slope = 0, distance = std::numeric_limits<double>::infinity();
  for (double h = step; h > step / 100 && !(distance <= bound); h /= 4) {
    const double tried = slope_of(f, h), off = std::abs(tried - expected);
    if (h == step || off < distance) slope = tried, distance = off;
  }
  return slope;
}

// The place of the first NaN, or else of the largest value.
inline std::size_t steepest_of(const std::vector<double>& slopes) {
  std::size_t steepest = 0;
  for (std::size_t i = 1; i < slopes.size() && !std::isnan(slopes[steepest]); ++i)
    if (!(std::abs(slopes[i]) <= std::abs(slopes[steepest]))) steepest = i;
  return steepest;
}

// Which elements of a tensor are compared: all, or `most` of them, the steepest among these.
inline std::vector<std::size_t> compared_elements(const std::vector<double>& slopes, Index most,
                                                  const Random& random) {
  const std::size_t count = slopes.size(), chosen = std::min(count, static_cast<std::size_t>(most));
  std::vector<std::size_t> elements(chosen);
  for (std::size_t k = 0; k < chosen; ++k) elements[k] = static_cast<std::size_t>(random.below(k, count));
  if (chosen == count)
    std::iota(elements.begin(), elements.end(), std::size_t{0});
  else if (chosen > 0)
    elements[0] = steepest_of(slopes);
  return elements;
}

inline std::string number_text(double value) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.6g", value);
  return digits;
}

// Throws ConfigError [gradient-settings] where nothing would be compared, or nothing could pass.
inline void require_settings(const GradientSettings& n) {
  const auto demand = [](bool holds, const char* setting, const char* expected, double got) {
    if (holds) return;
    throw ConfigError("gradient-settings", {{"setting", setting},
                                            {"expected", expected},
                                            {"got", number_text(got)},
                                            {"try", "the defaults of GradientSettings"}});
  };
  demand(n.rows >= 0, "rows", "a count", static_cast<double>(n.rows));
  demand(n.features >= 0, "features", "a count", static_cast<double>(n.features));
  demand(n.elements >= 1, "elements", "at least 1", static_cast<double>(n.elements));
  demand(n.step > 0 && n.step <= 1, "step", "a number above 0, at most 1", n.step);
  demand(n.tolerance > 0 && n.tolerance < 1, "tolerance", "a number above 0 and below 1", n.tolerance);
  const View<const std::int32_t, 1, Cpu>& borders = n.sequences.query_offsets;
  for (Index i = 0; i < borders.rows(); ++i)
    demand(i == 0 ? borders(i) == 0 : borders(i) >= borders(i - 1), "query_offsets",
           "borders that rise from 0", borders(i));
}

}  // namespace detail

// The layer itself stays as it is: the check works on a copy with random values. Throws ConfigError
// [gradient-settings] for settings that compare nothing.
template <class L>
GradientReport check_gradients(const L& layer, const GradientSettings& settings) {
  detail::require_settings(settings);
  detail::LayerProbe<L> probe(layer, settings);
  Runtime<Cpu> s(1);
  constexpr float present = 0.5f;  // what parameter gradients hold before
  for (auto& tensor : probe.tensors) std::fill(tensor.gradient.begin(), tensor.gradient.end(), present);
  probe.differentiate(s);
  double noise = 0;  // what f32 may change of f
  for (std::size_t i = 0; i < probe.y.size(); ++i)
    noise = std::hypot(noise, 1e-6 * static_cast<double>(probe.y[i] * probe.projection[i]));

  GradientReport report;
  const Random random(settings.seed, "elements");
  for (auto& tensor : probe.tensors) {
    if (tensor.gradient.empty()) continue;
    const float before = &tensor == &probe.tensors.front() ? 0 : present;  // the first one is x
    std::vector<double> backward(tensor.gradient.size());
    for (std::size_t i = 0; i < backward.size(); ++i)
      backward[i] = static_cast<double>(tensor.gradient[i] - before);
    const double step = settings.step * static_cast<double>(tensor.scale);
    const double steepest = std::abs(backward[detail::steepest_of(backward)]);
    const double size = std::max(std::isnan(steepest) ? 0 : steepest, noise / step / settings.tolerance);
    for (const std::size_t i : detail::compared_elements(backward, settings.elements, random)) {
      const float middle = tensor.value[i];
      const auto f = [&](double distance) {
        tensor.value[i] = static_cast<float>(static_cast<double>(middle) + distance);
        return probe.objective(s);
      };
      const double slope = detail::slope_near(f, step, backward[i], settings.tolerance * size);
      const double off = std::abs(slope - backward[i]), error = off == 0 ? 0 : off / size;
      tensor.value[i] = middle;
      ++report.compared;
      if (error <= report.largest_error) continue;
      report.largest_error = std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
      report.tensor = tensor.name;
      report.element = static_cast<Index>(i);
      report.backward = backward[i];
      report.differences = slope;
    }
  }
  return report;
}

// The same as one error: ConfigError [gradient].
template <class L>
void require_gradients(const L& layer, const GradientSettings& settings) {
  const GradientReport report = check_gradients(layer, settings);
  if (report.largest_error <= settings.tolerance) return;
  throw ConfigError("gradient",
                    {{"tensor", report.tensor + ", element " + std::to_string(report.element)},
                     {"expected", detail::number_text(report.differences) + " from finite differences"},
                     {"got", detail::number_text(report.backward) + " from backward"},
                     {"try", "compare backward with forward; parameter gradients add, dx is overwritten"}});
}

}  // namespace vlm
