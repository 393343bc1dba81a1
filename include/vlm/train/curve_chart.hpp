// A line chart as SVG: how a number went over the steps of a run.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/io/markup.hpp>

namespace vlm {

// Values at steps that rise; what is not finite is not drawn.
struct Curve {
  std::string name{};
  std::vector<std::pair<double, double>> points{};  // (step, value)
  bool dots = false;                                // few values, each marked, in a second colour
};

namespace detail {

// A round number near `size`: 1, 2 or 5 times a power of ten.
inline double round_step(double size) {
  const double power = std::pow(10.0, std::floor(std::log10(size))), share = size / power;
  return (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10) * power;
}

inline std::string number_text(const char* format, double value) {
  char text[48];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// A curve of at most `most` points, each the mean of those that it stands for: thousands would be a blot.
inline std::vector<std::pair<double, double>> thinned(const std::vector<std::pair<double, double>>& points,
                                                      std::size_t most) {
  std::vector<std::pair<double, double>> finite, result;
  for (const auto& point : points)
    if (std::isfinite(point.first) && std::isfinite(point.second)) finite.push_back(point);
  const std::size_t each = (finite.size() + most - 1) / most;
  for (std::size_t at = 0; at < finite.size(); at += each) {
    const std::size_t end = std::min(at + each, finite.size());
    double step = 0, value = 0;
    for (std::size_t i = at; i < end; ++i) step += finite[i].first, value += finite[i].second;
    const auto count = static_cast<double>(end - at);
    result.emplace_back(step / count, value / count);
  }
  return result;
}

}  // namespace detail

// An <svg> of 640 x 240 with axes, round grid lines and a legend. Colours are told apart with any colour
// vision. Empty where no value is finite.
inline std::string curve_chart(const std::vector<Curve>& curves) {
  constexpr double width = 640, height = 240, left = 56, right = 12, top = 24, bottom = 28;
  constexpr std::string_view colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7"};
  std::vector<std::vector<std::pair<double, double>>> drawn;
  double first = INFINITY, last = -INFINITY, low = INFINITY, high = -INFINITY;
  for (const Curve& curve : curves) {
    drawn.push_back(detail::thinned(curve.points, 400));
    for (const auto& [step, value] : drawn.back()) {
      first = std::min(first, step), last = std::max(last, step);
      low = std::min(low, value), high = std::max(high, value);
    }
  }
  if (!(high >= low)) return "";
  // Some room above and below, also where all values are alike.
  const double extent = std::max({high - low, 1e-9 * std::abs(high), 1e-12});
  const double mark = detail::round_step(extent / 4);
  low = std::floor(low / mark) * mark, high = std::ceil(high / mark) * mark;
  if (high - low < mark) high = low + mark;
  const double steps = std::max(last - first, 1.0);
  const auto x = [&](double step) { return left + (step - first) / steps * (width - left - right); };
  const auto y = [&](double value) {
    return height - bottom - (value - low) / (high - low) * (height - top - bottom);
  };
  const auto at = [](double place) { return detail::number_text("%.1f", place); };
  const auto label = [&](double place_x, double place_y, std::string_view anchor, const std::string& text) {
    return "<text x=\"" + at(place_x) + "\" y=\"" + at(place_y) + "\" text-anchor=\"" + std::string(anchor) +
           "\">" + escape_markup(text) + "</text>";
  };

  std::string svg =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 240\" role=\"img\" font-size=\"11\" "
      "font-family=\"sans-serif\" fill=\"#666\">";
  for (int i = 0; low + i * mark <= high + mark / 2; ++i) {
    const double value = low + i * mark;
    svg += "<line x1=\"" + at(left) + "\" x2=\"" + at(width - right) + "\" y1=\"" + at(y(value)) +
           "\" y2=\"" + at(y(value)) + "\" stroke=\"#8884\"/>" +
           label(left - 6, y(value) + 4, "end",
                 detail::number_text("%.4g", std::abs(value) < mark / 2 ? 0 : value));
  }
  const double step_mark = std::max(1.0, detail::round_step(steps / 6));
  for (double step = std::ceil(first / step_mark) * step_mark; step <= last; step += step_mark)
    svg += label(x(step), height - bottom + 16, "middle", detail::number_text("%.0f", step));
  double legend = left;
  for (std::size_t i = 0; i < curves.size(); ++i) {
    if (drawn[i].empty()) continue;
    const std::string colour(colours[i % std::size(colours)]);
    std::string points;
    for (const auto& [step, value] : drawn[i]) {
      points += (points.empty() ? "" : " ") + at(x(step)) + "," + at(y(value));
      if (curves[i].dots || drawn[i].size() == 1)
        svg += "<circle cx=\"" + at(x(step)) + "\" cy=\"" + at(y(value)) + "\" r=\"3\" fill=\"" + colour +
               "\"/>";
    }
    svg += "<polyline points=\"" + points + "\" fill=\"none\" stroke=\"" + colour +
           "\" stroke-width=\"1.6\" stroke-linejoin=\"round\"/>";
    svg += "<rect x=\"" + at(legend) + "\" y=\"8\" width=\"14\" height=\"3\" fill=\"" + colour + "\"/>" +
           label(legend + 19, 13, "start", curves[i].name);
    legend += 36 + 6.5 * static_cast<double>(curves[i].name.size());
  }
  return svg + "</svg>";
}

}  // namespace vlm
