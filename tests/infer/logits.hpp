// The logits of a session, and their comparison bit by bit.
#pragma once

#include <cstring>
#include <vector>

#include <vlm/core/view.hpp>
#include <vlm/infer/session.hpp>

namespace vlm::tests {

template <class Net>
std::vector<float> logits_of(Session<Net>& session) {
  const View<float, 2, Cpu> logits = session.logits();
  return {logits.data, logits.data + logits.count()};
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace vlm::tests
