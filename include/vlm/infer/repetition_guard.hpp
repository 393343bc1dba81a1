// RepetitionGuard: sees when an answer goes round in a cycle of tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <vlm/core/shape.hpp>

namespace vlm {

// An answer is cut off when its end is a cycle of at most `longest_cycle` tokens that came `repeats` times and at least
// `tokens` tokens long. 0 repeats switch the guard off.
struct RepetitionGuardSettings {
  Index longest_cycle = 64;
  Index repeats = 8;
  Index tokens = 128;
};

class RepetitionGuard {
 public:
  explicit RepetitionGuard(const RepetitionGuardSettings& settings)
      : settings_(settings),
        equal_(static_cast<std::size_t>(settings.longest_cycle > 0 ? settings.longest_cycle : 0)),
        recent_(equal_.size()) {}

  // Whether the tokens up to this one end in a cycle.
  bool push(std::int32_t token) {
    bool found = false;
    const std::size_t longest = recent_.size();
    for (std::size_t cycle = 1; cycle <= longest; ++cycle) {
      Index& equal = equal_[cycle - 1];  // tokens in a row that equal the one a cycle before
      const bool repeats = cycle <= count_ && recent_[(count_ - cycle) % longest] == token;
      equal = repeats ? equal + 1 : 0;
      const Index length = equal + static_cast<Index>(cycle);
      found = found || (settings_.repeats > 0 && equal > 0 && length >= settings_.tokens &&
                        length >= settings_.repeats * static_cast<Index>(cycle));
    }
    if (longest > 0) recent_[count_ % longest] = token;
    ++count_;
    return found;
  }

 private:
  RepetitionGuardSettings settings_;
  std::vector<Index> equal_;          // [longest_cycle]
  std::vector<std::int32_t> recent_;  // a ring
  std::size_t count_ = 0;
};

}  // namespace vlm
