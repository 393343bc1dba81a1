// Benchmarks: rows of interleaved timings, each beside a peer or a ceiling measured in the same run.
//
//   int main(int count, char** arguments) {
//     bench::Report report("products", count, arguments);   // --json FILE, --rounds N, --threads N, --only TEXT
//     bench::Row row{.name = "linear forward", .shape = "512x2048x6144", .unit = "GFLOP/s", .work = 1e-9 * flop};
//     report.compare(row, {{"ours", [&] { ... }}, {"eigen", [&] { ... }}}, {"peak", [&] { return ...; }});
//   }
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace bench {

inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Median, least and most of some rates.
struct Spread {
  double median = 0, least = 0, most = 0;
};
inline Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

// Work that one call does in other units than the row's; its rate is printed beside.
struct Amount {
  std::string unit;
  double work = 0;
};

struct Row {
  std::string name, shape, unit;
  double work = 0;  // in `unit` * seconds, done by one call
  double bar = 0;   // the least ratio that is asked for; 0: none
  std::vector<Amount> also = {};
};

// One that takes part. `run` does the work of the row once; a ceiling's `run` does `work` of its own.
struct Contender {
  std::string name;
  std::function<void()> run;
  double work = 0;  // 0: the row's
};

namespace detail {

// As many calls as last about 60 ms, after one that warms up.
inline int calls_for(const Contender& one) {
  one.run();
  const double start = seconds_now();
  one.run();
  return std::clamp(static_cast<int>(0.06 / std::max(seconds_now() - start, 1e-9)), 1, 100000);
}
// Seconds of one of several calls. The pause lets the threads of the contender before fall asleep, which may spin for
// tens of milliseconds; the first call wakes those of this one.
inline double seconds_of(const Contender& one, int calls) {
  std::this_thread::sleep_for(std::chrono::milliseconds(40));
  one.run();
  const double start = seconds_now();
  for (int call = 0; call < calls; ++call) one.run();
  return (seconds_now() - start) / calls;
}

}  // namespace detail

// The highest rate of a contender with its own work in a few rounds: to choose a ceiling, not to judge by it.
inline double highest_rate(const Contender& one) {
  const int calls = detail::calls_for(one);
  double least = detail::seconds_of(one, calls);
  for (int round = 0; round < 2; ++round) least = std::min(least, detail::seconds_of(one, calls));
  return one.work / least;
}

class Report {
 public:
  Report(const char* title, int count, char** arguments) {
    for (int i = 1; i < count; ++i) {
      const std::string option = arguments[i];
      const char* value = i + 1 < count ? arguments[i + 1] : nullptr;
      if (option == "--help") {
        std::printf("%s [--json FILE] [--rounds N] [--threads N] [--only TEXT]\n", arguments[0]);
        std::exit(0);
      }
      if (!value) fail(arguments[0], option);
      ++i;
      if (option == "--json")
        json_ = value;
      else if (option == "--rounds")
        rounds_ = number(arguments[0], option, value);
      else if (option == "--threads")
        threads_ = number(arguments[0], option, value);
      else if (option == "--only")
        only_ = value;
      else
        fail(arguments[0], option);
    }
    if (!json_.empty() && !(file_ = std::fopen(json_.c_str(), "w"))) {
      std::fprintf(stderr, "%s: cannot write %s\n", arguments[0], json_.c_str());
      std::exit(2);
    }
    std::printf("%s, %d threads, %d rounds\n", title, threads_, rounds_);
  }
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;
  ~Report() {
    if (file_) std::fclose(file_);
  }

  int threads() const { return threads_; }
  bool wants(const Row& row) const {
    return only_.empty() || (row.name + " " + row.shape).find(only_) != std::string::npos;
  }

  // Times ours against every peer and ceiling, round by round; the ratio is the median over the rounds of ours to
  // the best of the others.
  void compare(const Row& row, const Contender& ours, const std::vector<Contender>& others) {
    if (!wants(row)) return;
    std::vector<Rated> all = {{&ours, {}, {}}};
    for (const Contender& other : others) all.push_back({&other, {}, {}});
    time(row, all);
    std::size_t best = 0;
    for (std::size_t i = 1; i < all.size(); ++i)
      if (best == 0 || all[i].spread.median > all[best].spread.median) best = i;
    std::vector<double> ratios;
    for (std::size_t round = 0; round < all[0].rates.size(); ++round)
      ratios.push_back(best > 0 ? all[0].rates[round] / all[best].rates[round] : 0);
    const double ratio = spread_of(ratios).median;
    print(row, all, ratio);
    if (file_) write(row, all, best, ratio);
  }

 private:
  // A contender's rates in the row's unit, or in its own, round by round.
  struct Rated {
    const Contender* contender;
    std::vector<double> rates;
    Spread spread;
    const char* name() const { return contender->name.c_str(); }
  };

  void time(const Row& row, std::vector<Rated>& all) const {
    std::vector<int> calls;
    for (const Rated& one : all) calls.push_back(detail::calls_for(*one.contender));
    for (int round = 0; round < rounds_; ++round)
      for (std::size_t i = 0; i < all.size(); ++i) {
        const double own = all[i].contender->work;
        all[i].rates.push_back((own > 0 ? own : row.work) / detail::seconds_of(*all[i].contender, calls[i]));
      }
    for (Rated& one : all) one.spread = spread_of(one.rates);
  }
  static void print(const Row& row, const std::vector<Rated>& all, double ratio) {
    const Spread& ours = all[0].spread;
    std::printf("%-38s %-34s %9.2f %s (%.2f to %.2f) %.4g ms", row.name.c_str(), row.shape.c_str(),
                ours.median, row.unit.c_str(), ours.least, ours.most, 1e3 * row.work / ours.median);
    for (const Amount& amount : row.also)
      std::printf("  %.2f %s", amount.work * ours.median / row.work, amount.unit.c_str());
    for (std::size_t i = 1; i < all.size(); ++i)
      std::printf("  %s %.2f", all[i].name(), all[i].spread.median);
    if (all.size() > 1) std::printf("  ratio %.3f", ratio);
    if (all.size() > 1 && row.bar > 0)
      std::printf(" (bar %.2f%s)", row.bar, ratio >= row.bar ? "" : ", below");
    std::printf("\n");
    std::fflush(stdout);
  }
  void write(const Row& row, const std::vector<Rated>& all, std::size_t best, double ratio) {
    const double ours = all[0].spread.median;
    std::fprintf(
        file_,
        "{\"name\": \"%s\", \"shape\": \"%s\", \"unit\": \"%s\", \"ours\": %.6g, \"milliseconds\": %.6g",
        row.name.c_str(), row.shape.c_str(), row.unit.c_str(), ours, 1e3 * row.work / ours);
    for (const Amount& amount : row.also)
      std::fprintf(file_, ", \"%s\": %.6g", amount.unit.c_str(), amount.work * ours / row.work);
    for (std::size_t i = 1; i < all.size(); ++i)
      std::fprintf(file_, ", \"%s\": %.6g", all[i].name(), all[i].spread.median);
    if (best > 0)
      std::fprintf(file_, ", \"%s\": %.6g, \"against\": \"%s\", \"ratio\": %.4g",
                   all[best].contender->work > 0 ? "ceiling" : "peer", all[best].spread.median,
                   all[best].name(), ratio);
    std::fprintf(file_, ", \"bar\": %.3g}\n", row.bar);
    std::fflush(file_);
  }

  static int number(const char* program, const std::string& option, const char* value) {
    const int result = std::atoi(value);
    if (result < 1) fail(program, option + " " + value);
    return result;
  }
  [[noreturn]] static void fail(const char* program, const std::string& what) {
    std::fprintf(stderr, "%s: cannot use '%s'; try --help\n", program, what.c_str());
    std::exit(2);
  }

  int rounds_ = 11, threads_ = 2;
  std::string json_, only_;
  std::FILE* file_ = nullptr;
};

}  // namespace bench
