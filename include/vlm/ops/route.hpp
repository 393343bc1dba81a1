// Routing of rows to experts (Qwen3's order): p = softmax(logits) over all experts, the k largest (ties to
// the lower index), their weights renormalised to sum 1; then the rows sorted by expert.
#pragma once

#include <cstdint>
#include <vlm/core/queue.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

template <class D, class T>
struct RouteForward {
  View<const T, 2, D> logits{};            // [rows, experts]
  View<float, 2, D> probabilities{};       // [rows, experts]
  View<std::int32_t, 2, D> experts{};      // [rows, k] descending by probability
  View<float, 2, D> weights{};             // [rows, k] renormalised
  View<std::int32_t, 1, D> offsets{};      // [experts + 1] first slot of each expert
  View<std::int32_t, 1, D> source_rows{};  // [rows * k] which row stands in this slot
  View<std::int32_t, 2, D> slots{};        // [rows, k] where the row's j-th choice stands
  View<std::int64_t, 1, D> counts{};       // [experts], adds the slots of each; or empty
};

// Also adds the balance loss's share: balance[e] is its derivative by each row's probability of
// expert e, or empty.
template <class D, class T>
struct RouteBackward {
  View<const float, 2, D> probabilities{};   // [rows, experts]
  View<const std::int32_t, 2, D> experts{};  // [rows, k]
  View<const float, 2, D> weights{};         // [rows, k]
  View<const float, 2, D> dweights{};        // [rows, k]
  View<const float, 1, D> balance{};         // [experts], or empty
  View<T, 2, D> dlogits{};                   // [rows, experts]
};

// y[row] = sum over j of weights[row, j] * from[slots[row, j]], in the order of j.
template <class D, class T>
struct CombineForward {
  View<const T, 2, D> from{};              // [rows * k, features]
  View<const std::int32_t, 2, D> slots{};  // [rows, k]
  View<const float, 2, D> weights{};       // [rows, k]
  View<T, 2, D> y{};                       // [rows, features]
};

// dfrom[slots[row, j]] = weights[row, j] * dy[row];  dweights[row, j] = dy[row] . from[slots[row, j]]
template <class D, class T>
struct CombineBackward {
  View<const T, 2, D> dy{};                // [rows, features]
  View<const T, 2, D> from{};              // [rows * k, features]
  View<const std::int32_t, 2, D> slots{};  // [rows, k]
  View<const float, 2, D> weights{};       // [rows, k]
  View<T, 2, D> dfrom{};                   // [rows * k, features]
  View<float, 2, D> dweights{};            // [rows, k]
};

// y[row] = sum over j of from[slots[row, j]]: the gradient of a row that went to k experts.
template <class D, class T>
struct GatherSum {
  View<const T, 2, D> from{};              // [rows * k, features]
  View<const std::int32_t, 2, D> slots{};  // [rows, k]
  View<T, 2, D> y{};                       // [rows, features]
};

// Balance loss of one layer, E * sum_e f_e * p_e with f_e the share of slots and p_e the mean probability of
// expert e: 1 when uniform. `loss` adds coefficient * that; `derivative[e]` = coefficient * E * f_e / rows.
// Source: Fedus et al., "Switch Transformers", 2021; the mean over k choices makes the uniform value 1. With `counts`,
// to which the slots of these rows are added first unless they are in it, f is the share among all that was counted.
// Source of that: Qiu et al., "Demons in the Detail", 2025 (arXiv 2501.11873).
template <class D, class T>
struct BalanceLoss {
  View<const float, 2, D> probabilities{};   // [rows, experts]
  View<const std::int32_t, 1, D> offsets{};  // [experts + 1]
  View<std::int64_t, 1, D> counts{};         // [experts], adds; or empty
  bool counted = false;                      // whether the counts have these rows already
  float coefficient = 0;
  View<float, 1, D> derivative{};  // [experts]
  View<float, 1, D> loss{};        // [1], adds
};

template <class T>
void compute(Queue<Cpu>&, const RouteForward<Cpu, T>&, Scratch);
template <class T>
void compute(Queue<Cpu>&, const RouteBackward<Cpu, T>&, Scratch);
template <class T>
void compute(Queue<Cpu>&, const BalanceLoss<Cpu, T>&, Scratch);
template <class T>
void compute(Queue<Cpu>&, const CombineForward<Cpu, T>&, Scratch);
template <class T>
void compute(Queue<Cpu>&, const CombineBackward<Cpu, T>&, Scratch);
template <class T>
void compute(Queue<Cpu>&, const GatherSum<Cpu, T>&, Scratch);

}  // namespace vlm
