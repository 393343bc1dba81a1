// What a person sees of a run: one line that is rewritten on a terminal, a line every so often elsewhere, and
// log.jsonl with one JSON object per step.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdio>
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
    const int written = std::fprintf(
        file_,
        "{\"step\":%lld,\"loss\":%.17g,\"balance\":%.9g,\"gradient_norm\":%.9g,\"learning_rate\":%.9g,"
        "\"tokens\":%lld,\"supervised\":%lld,\"seconds\":%.6f}\n",
        static_cast<long long>(report.step), report.loss, report.balance, report.gradient_norm,
        report.learning_rate, static_cast<long long>(report.tokens),
        static_cast<long long>(report.supervised), report.seconds);
    if (written < 0 || std::fflush(file_) != 0)
      detail::throw_file_error("file-write", path_, "room for the log");
  }

 private:
  std::string path_;
  std::FILE* file_ = nullptr;
};

}  // namespace vlm
