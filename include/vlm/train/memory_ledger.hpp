// What a run will take of the machine's memory, known before anything is allocated. The rule: the ledger of
// micro-batches of text alone, which is the least that any data takes, must fit into the memory of the machine, or of
// the control group that the process runs in; a run that cannot fit is refused.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <string>
#include <system_error>

#include <vlm/core/error.hpp>
#include <vlm/data/loader.hpp>
#include <vlm/io/file.hpp>
#include <vlm/model/config.hpp>
#include <vlm/model/costs.hpp>
#include <vlm/model/describe.hpp>

namespace vlm {

// Bytes by what they hold, for full micro-batches of which a share of the tokens is visual.
struct MemoryLedger {
  TrainingCosts costs;     // of one micro-batch
  std::size_t loader = 0;  // pixels of the micro-batches of a step, and of those prepared ahead of it
  std::size_t total() const {
    return costs.weights + costs.gradients + costs.optimizer + costs.activations + loader;
  }
  std::string table() const;
};

// Bytes that this process can have: the physical memory, or the limit of its control group where that is less.
inline std::size_t machine_memory() {
  std::size_t bytes =
      static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (const char* limit : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    if (!file_exists(limit)) continue;
    const std::string text = read_file(limit);
    std::size_t value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc())
      bytes = std::min(bytes, value);
  }
  return bytes;
}

// `visual_share`: of the tokens, from 0 to 1; the rest is text, all of it predicted. Throws as training_costs does.
template <class Net>
MemoryLedger memory_ledger(const ModelConfig& config, const LoaderSettings& loader, double visual_share,
                           int threads = 0) {
  const Index visual = static_cast<Index>(visual_share * static_cast<double>(loader.context));
  Work work{.text_tokens = loader.context - visual};
  const Index merge = config.vision.merge_size;
  if (visual > 0) work.pictures.push_back({.frames = 1, .height = merge, .width = merge * visual});
  MemoryLedger ledger{.costs = training_costs<Net>(config, work, threads)};
  ledger.loader =
      ledger.costs.patch_rows * static_cast<std::size_t>(loader.micro_batches * (1 + loader.steps_ahead));
  return ledger;
}

// Throws ConfigError [memory] where the least that a run takes is more than `available` bytes.
inline void require_memory(const MemoryLedger& least, const LoaderSettings& loader, std::size_t available) {
  if (least.total() <= available) return;
  throw ConfigError(
      "memory",
      {{"at", "a micro-batch of " + std::to_string(loader.context) + " tokens"},
       {"expected", "at most the " + bytes_text(available) + " of this machine"},
       {"got", bytes_text(least.total()) + ": weights " + bytes_text(least.costs.weights) + ", gradients " +
                   bytes_text(least.costs.gradients) + ", optimizer " + bytes_text(least.costs.optimizer) +
                   ", activations " + bytes_text(least.costs.activations)},
       {"try", "a smaller context, Keep<BlockInputs>, a stage that trains fewer parts, or a smaller model"}});
}

inline std::string MemoryLedger::table() const {
  std::string text;
  const auto add = [&](const char* what, std::size_t bytes) {
    char line[64];
    std::snprintf(line, sizeof line, "  %-12s %10s\n", what, bytes_text(bytes).c_str());
    text += line;
  };
  add("weights", costs.weights);
  add("gradients", costs.gradients);
  add("optimizer", costs.optimizer);
  add("activations", costs.activations);
  add("loader", loader);
  add("in all", total());
  return text;
}

// The ledger as a run prints it, half of the tokens visual.
inline std::string ledger_text(const MemoryLedger& ledger, const LoaderSettings& loader,
                               std::size_t available) {
  std::string text = "memory of a run with " + std::to_string(loader.micro_batches) + " x " +
                     std::to_string(loader.context) + " tokens a step, if half of them are visual\n" +
                     ledger.table();
  if (ledger.total() > available)
    text += "  this is more than the " + bytes_text(available) +
            " of this machine: fewer visual tokens would fit\n";
  return text;
}

}  // namespace vlm
