// Every described operation (tests/ops) at the sizes of the 2B model: its time beside the least that this machine
// could take for the work, the largest of FLOP, bytes and exponentials over the rate that was measured for each.
#include <algorithm>
#include <string>
#include <vector>

#include "ceilings.hpp"
#include "ops/description.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

// What limits an operation: a ceiling, its rate, and what the operation needs of it, both in `unit`.
struct Limit {
  bench::Contender ceiling;
  std::string unit;
  double rate = 0, work = 0;
  double seconds() const { return work / rate; }
};

class Machine {
 public:
  explicit Machine(int threads) : runtime_(threads), ceilings_(threads) {
    for (const auto& [ceiling, unit] : {std::pair{ceilings_.multiply_adds(), "GFLOP/s"},
                                        {ceilings_.read(), "GB/s"},
                                        {ceilings_.copy(), "GB/s"},
                                        {ceilings_.update(), "GB/s"},
                                        {ceilings_.exponentials(), "1e9 exp/s"}})
      limits_.push_back({ceiling, unit, bench::highest_rate(ceiling)});
  }

  void measure(bench::Report& report, const Operation& operation, const Example& example) {
    if (!report.wants({operation.name, example.shape, ""})) return;
    Case c = example.make(1);
    std::vector<Memory> memories;
    memories.emplace_back(c.tensors, Layout{.watched = false});
    c.tensors = {};
    runtime_.plan([&] { c.run(runtime_, memories[0]); });
    c.run(runtime_, memories[0]);
    const Memory::Traffic traffic = memories[0].traffic();
    std::vector<Limit> limits = needed(c.work, traffic);
    std::sort(limits.begin(), limits.end(),
              [](const Limit& a, const Limit& b) { return a.seconds() > b.seconds(); });
    bench::Row row{operation.name, example.shape, limits[0].unit, limits[0].work};
    for (std::size_t i = 1; i < limits.size(); ++i) row.also.push_back({limits[i].unit, limits[i].work});

    // What memory limits takes its tensors in turn from more memory than the caches hold.
    const double copies = row.unit == "GB/s" ? 4e8 / (traffic.read + traffic.written) : 1;
    while (static_cast<double>(memories.size()) < std::min(copies, 64.0)) memories.push_back(memories[0]);
    std::size_t turn = 0;
    report.compare(row, {"ours", [&] { c.run(runtime_, memories[turn++ % memories.size()]); }},
                   {limits[0].ceiling});
  }

 private:
  // The ceilings with their work. Bytes are held against reads where little is written, and else against copies or
  // updates in place, whichever writes more.
  std::vector<Limit> needed(const Work& work, const Memory::Traffic& traffic) const {
    const double bytes = work.bytes > 0 ? work.bytes : traffic.read + traffic.written;
    const bool reads = traffic.written<traffic.read / 8, updates = traffic.updated> traffic.written / 2;
    const double amounts[] = {work.flop, reads ? bytes : 0, reads || updates ? 0 : bytes,
                              !reads && updates ? bytes : 0, work.exponentials};
    std::vector<Limit> result;
    for (std::size_t i = 0; i < limits_.size(); ++i) {
      if (amounts[i] <= 0) continue;
      result.push_back(limits_[i]);
      result.back().work = 1e-9 * amounts[i];
    }
    return result;
  }

  Runtime<Cpu> runtime_;
  bench::Ceilings ceilings_;
  std::vector<Limit> limits_;
};

}  // namespace

int main(int count, char** arguments) {
  bench::Report report("operations", count, arguments);
  Machine machine(report.threads());
  for (const Operation& operation : sorted_operations())
    for (const Example& example : operation.benchmarks) machine.measure(report, operation, example);
}
