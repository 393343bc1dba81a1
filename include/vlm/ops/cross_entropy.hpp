// Cross-entropy of a chunk of rows:
//   loss += sum of weight[i] * (log sum exp(logits[i]) - logits[i, target[i]])
#pragma once

#include <cstdint>
#include <vlm/core/queue.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

template <class D, class T>
struct CrossEntropy {
  View<T, 2, D> logits{};  // [rows, vocabulary]; overwritten by their gradient if `gradient`
  View<const std::int32_t, 1, D> targets{};  // [rows], in [0, vocabulary)
  View<const float, 1, D> weights{};         // [rows]
  View<float, 1, D> log_probabilities{};     // [rows] of the targets, or empty
  View<float, 1, D> entropies{};             // [rows] of softmax(logits[i]), or empty
  View<double, 1, D> loss{};                 // [1], adds
  bool gradient = false;
};

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const CrossEntropy<Cpu, T>&);
template <class T>
void compute(Queue<Cpu>&, const CrossEntropy<Cpu, T>&, Scratch);

}  // namespace vlm
