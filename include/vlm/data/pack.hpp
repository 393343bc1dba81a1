// First-fit packing: a sample goes into the first micro-batch of the step that has room for all of it. A
// sample is never cut.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <vlm/core/error.hpp>
#include <vlm/data/data_line.hpp>
#include <vlm/model/batch.hpp>
#include <vlm/model/config.hpp>

namespace vlm {

class Packer {
 public:
  enum class Place : std::uint8_t { Packed, StepFull, TooLong };

  // Empties the micro-batches, which keep their memory and must outlive the packer.
  Packer(std::span<Batch> step, Index context, const ModelConfig& config)
      : step_(step), context_(context), config_(&config) {
    if (step.empty() || context < 1)
      throw ConfigError("pack-step", {{"expected", "at least one micro-batch of at least one token"},
                                      {"got", std::to_string(step.size()) + " of " + std::to_string(context)},
                                      {"try", "a context of at least 1, and a step that is not empty"}});
    for (Batch& batch : step_) batch.clear();
  }

  // StepFull: there is no room for it among what has been packed; it belongs to the next step.
  // TooLong: it is longer than the context.
  Place add(const Sample& sample) {
    const auto size = static_cast<Index>(sample.tokens.size());
    if (size > context_) return Place::TooLong;
    for (Batch& batch : step_) {
      if (batch.token_count() + size > context_) continue;
      batch.append(sample, *config_);
      return Place::Packed;
    }
    return Place::StepFull;
  }

 private:
  std::span<Batch> step_;
  Index context_;
  const ModelConfig* config_;
};

}  // namespace vlm
