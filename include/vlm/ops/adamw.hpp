// AdamW with decoupled decay:  p *= 1 - lr * decay;  m, v exponential means of g and g^2;
// p -= lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps).   Source: Loshchilov and Hutter, 2019.
#pragma once

#include <vlm/core/queue.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

template <class D, class T>
struct AdamW {
  View<float, 1, D> parameter{}, first_moment{}, second_moment{};  // [count]
  View<const T, 1, D> gradient{};                                  // [count]
  // In double: 1 - beta2 and the powers of beta2 would lose digits that matter.
  double gradient_scale = 1;  // from clipping
  double learning_rate = 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, decay = 0;
  Index step = 1;  // 1 for the first update
};

template <class T>
void compute(Queue<Cpu>&, const AdamW<Cpu, T>&, Scratch);

}  // namespace vlm
