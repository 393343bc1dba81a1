// What a person sees of a run: one line that is rewritten on a terminal, a line every so often elsewhere, and
// log.jsonl with one JSON object per step.
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include <vlm/core/shape.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>

namespace vlm {

// One finished training step.
struct Report {
  Index step = 0;  // from 1
  double loss = 0, balance = 0, gradient_norm = 0, learning_rate = 0;
  Index tokens = 0, supervised = 0;  // in this step
  double seconds = 0;                // of this step
  double waited = 0;                 // seconds of these in which no data was ready
  bool skipped = false;              // loss or gradient was not finite: nothing was updated
  Index skipped_steps = 0;           // in the run so far, this one included
  Index left_out = 0;                // conversations in the run so far that could not be used
  std::optional<double>
      validation{};  // mean loss of the validation file, where it was scored after this step
  double flop = 0;   // useful ones, as model/flops.hpp counts them
};

class Progress {
 public:
  // `peak`: the machine's multiply_add_rate in FLOP/s, which the run's is held against; 0 for no such share.
  Progress(std::string_view stage, Index steps, Index every, bool quiet, double peak = 0)
      : stage_(stage),
        steps_(steps),
        every_(every),
        quiet_(quiet),
        terminal_(::isatty(STDERR_FILENO) != 0),
        peak_(peak) {}

  // Takes the report in, and shows it where one is due.
  void show(const Report& report) {
    const std::string text = line(report);
    if (quiet_ || (report.step % every_ != 0 && report.step != steps_ && !report.validation)) return;
    const bool stays = !terminal_ || report.step == steps_ || report.validation;
    std::fprintf(stderr, "%s%s%s", terminal_ ? "\r\033[K" : "",
                 (stays ? text : text.substr(0, columns())).c_str(), stays ? "\n" : "");
    std::fflush(stderr);
  }

  // Takes the report in. Rates are means over what this object has seen; the loss is one over the last `every` steps.
  std::string line(const Report& report) {
    tokens_ += report.tokens;
    flop_ += report.flop;
    seconds_ += report.seconds;
    ++seen_;
    if (std::isfinite(report.loss))
      mean_ += (report.loss - mean_) / static_cast<double>(std::min<Index>(++finite_, every_));
    const double seconds = std::max(seconds_, 1e-9), rate = flop_ / seconds;
    const double left = seconds_ / static_cast<double>(seen_) * static_cast<double>(steps_ - report.step);
    std::string text = stage_ + formatted(" %.0f", static_cast<double>(report.step)) +
                       formatted("/%.0f", static_cast<double>(steps_)) + "  " + duration(left) + " left";
    text += formatted("  loss %.4f", mean_);
    if (report.validation) text += formatted("  validation %.4f", *report.validation);
    text += formatted("  rate %.2e", report.learning_rate) + formatted("  norm %.2f", report.gradient_norm);
    text += formatted("  %.0f tokens/s", static_cast<double>(tokens_) / seconds);
    if (flop_ > 0) text += formatted("  %.1f GFLOP/s", 1e-9 * rate);
    if (flop_ > 0 && peak_ > 0) text += formatted(" (%.0f %% of the FMA peak)", 100 * rate / peak_);
    if (report.skipped_steps > 0)
      text += formatted("  %.0f skipped", static_cast<double>(report.skipped_steps));
    if (report.left_out > 0) text += formatted("  %.0f left out", static_cast<double>(report.left_out));
    return text;
  }

  static std::string duration(double seconds) {
    const auto whole = static_cast<long long>(seconds + 0.5);
    char text[32];
    std::snprintf(text, sizeof text, "%lld:%02lld", whole / 60, whole % 60);
    return text;
  }

 private:
  static std::string formatted(const char* format, double value) {
    char text[64];
    std::snprintf(text, sizeof text, format, value);
    return text;
  }
  // A line that is rewritten must not wrap.
  static std::size_t columns() {
    winsize size{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 79u;
  }

  std::string stage_;
  Index steps_, every_, seen_ = 0, finite_ = 0, tokens_ = 0;
  bool quiet_, terminal_;
  double peak_, flop_ = 0, seconds_ = 0, mean_ = 0;
};

// Appends to log.jsonl. A resumed run first drops what was logged after the checkpoint it resumes from.
class StepLog {
 public:
  StepLog(const std::string& path, Index resumed_step) : path_(path) {
    std::string kept;
    if (file_exists(path)) {
      const std::string text = read_file(path);
      for (std::size_t start = 0; start < text.size();) {
        const std::size_t end = text.find('\n', start);
        if (end == std::string::npos) break;  // a line that was cut short
        const std::string_view line(text.data() + start, end + 1 - start);
        if (parse_json(line, path).at("step").integer() > resumed_step) break;
        kept += line;
        start = end + 1;
      }
    }
    write_file_atomically(path, kept);
    file_ = std::fopen(path.c_str(), "ae");
    if (!file_) detail::throw_file_error("file-write", path, "a place that can be written");
  }
  StepLog(const StepLog&) = delete;
  StepLog& operator=(const StepLog&) = delete;
  ~StepLog() { std::fclose(file_); }

  void add(const Report& report) {
    std::fprintf(file_, "{\"step\":%lld", static_cast<long long>(report.step));
    add_number("loss", report.loss);
    add_number("balance", report.balance);
    add_number("gradient_norm", report.gradient_norm);
    add_number("learning_rate", report.learning_rate);
    if (report.validation) add_number("validation", *report.validation);
    std::fprintf(file_,
                 ",\"tokens\":%lld,\"supervised\":%lld,\"flop\":%.6g,\"seconds\":%.6f,\"waited\":%.6f,"
                 "\"skipped\":%lld,\"left_out\":%lld}\n",
                 static_cast<long long>(report.tokens), static_cast<long long>(report.supervised),
                 report.flop, report.seconds, report.waited, static_cast<long long>(report.skipped_steps),
                 static_cast<long long>(report.left_out));
    if (std::fflush(file_) != 0 || std::ferror(file_))
      detail::throw_file_error("file-write", path_, "room for the log");
  }

 private:
  // All digits, so that two runs can be compared; JSON has no word for what is not finite.
  void add_number(const char* name, double value) {
    if (std::isfinite(value))
      std::fprintf(file_, ",\"%s\":%.17g", name, value);
    else
      std::fprintf(file_, ",\"%s\":null", name);
  }

  std::string path_;
  std::FILE* file_ = nullptr;
};

}  // namespace vlm
