// A run as one HTML page that needs nothing else: the curves of its logs, its scores, and pictures with questions and
// answers, places in them drawn. It reads what stands in the folder of a run:
//   log.jsonl, and NAME/log.jsonl of each stage        what a Trainer writes
//   scores.json, or none                               {"stages": [{"stage", "seconds", "scores": {NAME: NUMBER}}]}
//   samples.json or samples/samples.json, or none      [{"image", "question", "answer", "expected"}]
// Pictures are named from the folder that samples.json is in; "image" may be missing, and so may "expected".
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/io/base64.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/folder.hpp>
#include <vlm/io/json.hpp>
#include <vlm/io/markup.hpp>
#include <vlm/train/curve_chart.hpp>
#include <vlm/train/progress.hpp>
#include <vlm/vision/draw.hpp>
#include <vlm/vision/grounding_parser.hpp>
#include <vlm/vision/image_codecs.hpp>
#include <vlm/vision/load_image.hpp>

namespace vlm {

namespace detail {

// The steps of a log.jsonl; a last line that was cut short is left out.
struct RunLog {
  std::string name;
  Curve loss{.name = "loss"}, validation{.name = "validation", .dots = true}, rate{.name = "learning rate"},
      norm{.name = "gradient norm"};
  double tokens = 0, seconds = 0;
  Index steps = 0;

  RunLog(std::string stage, const std::string& path) : name(std::move(stage)) {
    const std::string text = read_file(path);
    for (std::size_t start = 0, end; (end = text.find('\n', start)) != std::string::npos; start = end + 1) {
      const Json line = parse_json(std::string_view(text).substr(start, end - start), path);
      steps = line.at("step").integer();
      const auto add = [&](Curve& curve, std::string_view key) {
        const Json* value = line.find(key);
        if (value && !value->is_null())
          curve.points.emplace_back(static_cast<double>(steps), value->number());
      };
      add(loss, "loss");
      add(validation, "validation");
      add(rate, "learning_rate");
      add(norm, "gradient_norm");
      tokens += line.at("tokens").number();
      seconds += line.at("seconds").number();
    }
  }
  // Of the last tenth of the steps.
  double last_loss() const {
    const std::size_t count = std::max<std::size_t>(1, loss.points.size() / 10);
    if (loss.points.empty()) return std::numeric_limits<double>::quiet_NaN();
    double sum = 0;
    for (std::size_t i = loss.points.size() - count; i < loss.points.size(); ++i)
      sum += loss.points[i].second;
    return sum / static_cast<double>(count);
  }
};

// The bytes of an image file that every browser shows, as a data URI.
inline std::string data_uri(const Image& image) {
  if (const ImageWriter write = png_writer()) return "data:image/png;base64," + encode_base64(write(image));
  const std::size_t row = (static_cast<std::size_t>(image.width) * 3 + 3) / 4 * 4;
  const std::size_t size = row * static_cast<std::size_t>(image.height);
  std::string bytes = "BM";
  const auto add = [&](std::size_t value, int count) {
    for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xffu);
  };
  add(54 + size, 4), add(0, 4), add(54, 4);  // of the file, reserved, where the pixels begin
  add(40, 4), add(static_cast<std::size_t>(image.width), 4), add(static_cast<std::size_t>(image.height), 4);
  add(1, 2), add(24, 2), add(0, 4), add(size, 4);  // planes, bits, no compression
  bytes.append(16, '\0');                          // no resolution, no palette
  for (Index y = image.height; y-- > 0;) {
    for (Index x = 0; x < image.width; ++x)
      for (int c = 2; c >= 0; --c) bytes += static_cast<char>(image.at(y, x)[c]);
    bytes.append(row - static_cast<std::size_t>(image.width) * 3, '\0');
  }
  return "data:image/bmp;base64," + encode_base64(bytes);
}

// Small pictures grow by a whole factor, so that lines drawn on them are fine.
inline Image enlarged(const Image& image) {
  const Index factor = std::max<Index>(1, 240 / std::max(image.height, image.width));
  Image large(image.height * factor, image.width * factor);
  for (Index y = 0; y < large.height; ++y)
    for (Index x = 0; x < large.width; ++x) std::copy_n(image.at(y / factor, x / factor), 3, large.at(y, x));
  return large;
}

inline std::string_view without_space(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(space);
  return begin == text.npos ? std::string_view()
                            : text.substr(begin, text.find_last_not_of(space) + 1 - begin);
}

// One picture with its question and answers: what is expected is drawn in green, what was answered in red.
inline std::string sample_card(const Json& sample, const std::string& folder) {
  const auto text_of_member = [&](std::string_view key) {
    const Json* value = sample.find(key);
    return value && !value->is_null() ? value->string() : std::string();
  };
  const std::string answer = sample.at("answer").string(), expected = text_of_member("expected");
  std::string card = "<figure>", verdict;
  if (const std::string file = text_of_member("image"); !file.empty()) {
    Image image = enlarged(load_image(file.front() == '/' ? file : folder + "/" + file));
    const ImageSize size{image.height, image.width};
    const Grounding right = parse_grounding(expected, size), given = parse_grounding(answer, size);
    draw(image, right, distinct_colours[2]);
    draw(image, given, distinct_colours[0]);
    card += "<img alt=\"\" src=\"" + data_uri(image) + "\">";
    if (!right.boxes.empty())
      verdict = given.boxes.empty()
                    ? "no box"
                    : number_text("overlap %.2f", overlap(right.boxes.front(), given.boxes.front()));
  }
  const bool correct = without_space(answer) == without_space(expected);
  if (verdict.empty() && !expected.empty()) verdict = correct ? "right" : "wrong";
  card += "<figcaption><p class=\"question\">" + escape_markup(sample.at("question").string()) +
          "</p><p><b>" + escape_markup(answer) + "</b>";
  if (!verdict.empty())
    card += " <span class=\"" + std::string(correct ? "right" : "note") + "\">" + verdict + "</span>";
  card += "</p>";
  if (!expected.empty() && !correct)
    card += "<p class=\"expected\">expected: " + escape_markup(expected) + "</p>";
  return card + "</figcaption></figure>\n";
}

inline std::string score_table(const Json& scores) {
  std::vector<std::string> names;
  for (const Json& stage : scores.at("stages").items())
    for (const auto& [name, value] : stage.at("scores").members())
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  std::string table = "<table><tr><th>stage</th>";
  for (const std::string& name : names) table += "<th>" + escape_markup(name) + "</th>";
  table += "<th>time</th></tr>\n";
  for (const Json& stage : scores.at("stages").items()) {
    table += "<tr><td>" + escape_markup(stage.at("stage").string()) + "</td>";
    for (const std::string& name : names) {
      const Json* value = stage.at("scores").find(name);
      table +=
          value && value->is_number() ? "<td>" + number_text("%.3f", value->number()) + "</td>" : "<td></td>";
    }
    const Json* seconds = stage.find("seconds");
    table += "<td>" + (seconds ? Progress::duration(seconds->number()) : std::string()) + "</td></tr>\n";
  }
  return table + "</table>\n";
}

inline std::string log_section(const RunLog& log) {
  std::string html =
      "<section><h2>" + escape_markup(log.name) + "</h2><p class=\"facts\">" +
      number_text("%.0f steps, ", static_cast<double>(log.steps)) + number_text("%.0f tokens, ", log.tokens) +
      Progress::duration(log.seconds) + number_text(", loss at the end %.4f", log.last_loss()) + "</p>\n" +
      curve_chart({log.loss, log.validation}) + "\n<details><summary>learning rate and gradient norm" +
      "</summary>" + curve_chart({log.rate}) + curve_chart({log.norm}) + "</details></section>\n";
  return html;
}

// In the order of their first writing, which is that of the stages: by scores.json, then by name.
inline std::vector<RunLog> logs_of(const std::string& folder, const Json& scores) {
  std::vector<std::string> names;
  if (!scores.is_null())
    for (const Json& stage : scores.at("stages").items()) names.push_back(stage.at("stage").string());
  std::vector<std::string> others = folder_names(folder);
  std::sort(others.begin(), others.end());
  for (const std::string& name : others)
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  std::vector<RunLog> logs;
  if (const std::string path = folder + "/log.jsonl"; file_exists(path)) logs.emplace_back("training", path);
  for (const std::string& name : names)
    if (const std::string path = folder + "/" + name + "/log.jsonl"; file_exists(path))
      logs.emplace_back(name, path);
  return logs;
}

inline constexpr std::string_view report_style = R"(
:root { color-scheme: light dark; --edge: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 980px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .25rem; }
svg { width: 100%; height: auto; } .facts, .expected, summary { color: #777; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .9rem; border-bottom: 1px solid var(--edge); text-align: right; }
th:first-child, td:first-child { text-align: left; }
.samples { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 1rem; }
figure { margin: 0; border: 1px solid var(--edge); border-radius: 8px; overflow: hidden; }
figure img { display: block; width: 100%; image-rendering: pixelated; }
figcaption { padding: .5rem .75rem; overflow-wrap: anywhere; } figcaption p { margin: .2rem 0; }
.question { color: #777; } .right, .note { font-size: .8rem; padding: 0 .4rem; border-radius: 4px; }
.right { background: #009e7333; } .note { background: #d55e0033; }
)";

}  // namespace detail

// The page of a run's folder. Throws ConfigError [report] where nothing in it can be shown, FileError for a file that
// cannot be read [file-open, json-syntax], ConfigError for a member that is missing or of another kind [json-missing,
// json-type], and what reading a picture throws.
inline std::string report_page(const std::string& folder) {
  const auto json_of = [](const std::string& path) {
    return file_exists(path) ? parse_json(read_file(path), path) : Json();
  };
  const Json scores = json_of(folder + "/scores.json");
  std::string samples_folder = folder;
  Json samples = json_of(folder + "/samples.json");
  if (samples.is_null()) {
    samples_folder = folder + "/samples";
    samples = json_of(samples_folder + "/samples.json");
  }
  const std::vector<detail::RunLog> logs = detail::logs_of(folder, scores);
  if (logs.empty() && scores.is_null() && samples.is_null())
    throw ConfigError("report", {{"folder", folder},
                                 {"expected", "log.jsonl, scores.json or samples.json"},
                                 {"got", "none of them"},
                                 {"try", "the folder `out` of a run"}});
  const std::size_t slash = folder.find_last_not_of('/');
  const std::string trimmed = folder.substr(0, slash == folder.npos ? 0 : slash + 1);
  const std::string title = escape_markup(trimmed.substr(trimmed.find_last_of('/') + 1));
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>" +
      title + "</title>\n<style>" + std::string(detail::report_style) + "</style></head><body>\n<h1>" +
      title + "</h1>\n";
  if (!scores.is_null()) html += "<h2>Scores on what was held out</h2>\n" + detail::score_table(scores);
  if (!samples.is_null()) {
    html +=
        "<h2>Answers</h2>\n<p class=\"facts\">Places: green as expected, red as answered.</p>\n<div "
        "class=\"samples\">\n";
    for (const Json& sample : samples.items()) html += detail::sample_card(sample, samples_folder);
    html += "</div>\n";
  }
  for (const detail::RunLog& log : logs) html += detail::log_section(log);
  return html + "</body></html>\n";
}

}  // namespace vlm
