// What a person sees of a run: one line that is rewritten on a terminal, a line every so often elsewhere, and
// log.jsonl with one JSON object per step.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cmath>
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
};

class Progress {
 public:
  Progress(std::string_view stage, Index steps, Index every, bool quiet)
      : stage_(stage), steps_(steps), every_(every), quiet_(quiet), terminal_(::isatty(STDERR_FILENO) != 0) {}

  void show(const Report& report) {
    tokens_ += report.tokens;
    seconds_ += report.seconds;
    ++shown_;
    mean_ += (report.loss - mean_) / static_cast<double>(std::min<Index>(shown_, every_));
    if (quiet_ || (report.step % every_ != 0 && report.step != steps_)) return;
    const double left = seconds_ / static_cast<double>(shown_) * static_cast<double>(steps_ - report.step);
    std::fprintf(stderr, "%s%s %lld/%lld  loss %.4f  rate %.2e  norm %.2f  %.0f tokens/s  %s left%s",
                 terminal_ ? "\r\033[K" : "", stage_.c_str(), static_cast<long long>(report.step),
                 static_cast<long long>(steps_), mean_, report.learning_rate, report.gradient_norm,
                 static_cast<double>(tokens_) / std::max(seconds_, 1e-9), duration(left).c_str(),
                 terminal_ && report.step != steps_ ? "" : "\n");
    std::fflush(stderr);
  }

  static std::string duration(double seconds) {
    const auto whole = static_cast<long long>(seconds + 0.5);
    char text[32];
    std::snprintf(text, sizeof text, "%lld:%02lld", whole / 60, whole % 60);
    return text;
  }

 private:
  std::string stage_;
  Index steps_, every_, shown_ = 0, tokens_ = 0;
  bool quiet_, terminal_;
  double seconds_ = 0, mean_ = 0;
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
                 ",\"tokens\":%lld,\"supervised\":%lld,\"seconds\":%.6f,\"waited\":%.6f,\"skipped\":%lld,"
                 "\"left_out\":%lld}\n",
                 static_cast<long long>(report.tokens), static_cast<long long>(report.supervised),
                 report.seconds, report.waited, static_cast<long long>(report.skipped_steps),
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
