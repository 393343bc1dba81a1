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
  float gradient_scale = 1;                                        // from clipping
  float learning_rate = 0, beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f, decay = 0;
  Index step = 1;  // 1 for the first update
};

template <class T>
void compute(Queue<Cpu>&, const AdamW<Cpu, T>&, Scratch);

}  // namespace vlm
