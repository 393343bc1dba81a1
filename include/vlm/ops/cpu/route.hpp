// Routing on the CPU; small beside the experts' products.
#pragma once

#include <vlm/ops/cpu/add.hpp>
#include <vlm/ops/cpu/cross_entropy.hpp>
#include <vlm/ops/route.hpp>

namespace vlm::cpu {

// into += factor * from, or into = factor * from
struct ScaledRowKernel {
  template <int W>
  VLM_INLINE static void run(float* into, const float* from, float factor, Index count, bool add) {
    for (Index i = 0; i < count; ++i) into[i] = add ? into[i] + factor * from[i] : factor * from[i];
  }
};

struct DotKernel {
  template <int W>
  VLM_INLINE static void run(const float* a, const float* b, Index count, float* result) {
    Floats<W> sum{}, left, right;
    Index i = 0;
    for (; i + W <= count; i += W) {
      load<W>(left, a + i);
      load<W>(right, b + i);
      sum += left * right;
    }
    float total = sum_of<W>(sum);
    for (; i < count; ++i) total += a[i] * b[i];
    *result = total;
  }
};

// The k largest of `probabilities`, ties to the lower index, and their shares of the sum. The best so far stay in
// order; few that follow get among them.
inline void choose_experts(const float* probabilities, Index count, Index k, std::int32_t* experts,
                           float* weights) {
  for (Index e = 0; e < count; ++e) {
    const float probability = probabilities[e];
    if (e >= k && !(probability > weights[k - 1])) continue;
    Index place = std::min(e, k - 1);
    for (; place > 0 && probability > weights[place - 1]; --place) {
      weights[place] = weights[place - 1];
      experts[place] = experts[place - 1];
    }
    weights[place] = probability;
    experts[place] = static_cast<std::int32_t>(e);
  }
  float sum = 0;
  for (Index j = 0; j < k; ++j) sum += weights[j];
  for (Index j = 0; j < k; ++j) weights[j] /= sum;
}

}  // namespace vlm::cpu

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const RouteForward<Cpu, T>& op, Scratch) {
  const Index count = op.logits.extent[1], k = op.experts.extent[1];
  cpu::parallel_rows(queue, op.logits.rows(), count * k, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i) {
      float* probabilities = op.probabilities.row(i);
      std::memcpy(probabilities, op.logits.row(i), static_cast<std::size_t>(count) * sizeof(float));
      const float one = 1;
      float logsumexp;
      cpu::dispatch<cpu::SoftmaxKernel>(queue.level(), probabilities, count, &one, &logsumexp,
                                        static_cast<float*>(nullptr));
      cpu::choose_experts(probabilities, count, k, op.experts.row(i), op.weights.row(i));
    }
  });
  // A counting sort by expert that keeps the order of rows.
  for (Index e = 0; e <= count; ++e) op.offsets(e) = 0;
  for (Index i = 0; i < op.experts.rows(); ++i)
    for (Index j = 0; j < k; ++j) ++op.offsets(op.experts(i, j) + 1);
  for (Index e = 0; e < count; ++e) op.offsets(e + 1) += op.offsets(e);
  for (Index i = 0; i < op.experts.rows(); ++i)
    for (Index j = 0; j < k; ++j) {
      const std::int32_t slot = op.offsets(op.experts(i, j))++;
      op.source_rows(slot) = static_cast<std::int32_t>(i);
      op.slots(i, j) = slot;
    }
  for (Index e = count; e > 0; --e) op.offsets(e) = op.offsets(e - 1);
  op.offsets(0) = 0;
  for (Index e = 0; op.counts && e < count; ++e) op.counts(e) += op.offsets(e + 1) - op.offsets(e);
}

template <class T>
void compute(Queue<Cpu>& queue, const RouteBackward<Cpu, T>& op, Scratch) {
  const Index count = op.dlogits.extent[1], k = op.experts.extent[1];
  cpu::parallel_rows(queue, op.dlogits.rows(), count, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i) {
      // w_j = p_j / S:  dp_j = (dw_j - sum_l dw_l w_l) / S, with S the sum of the chosen probabilities.
      float chosen = 0, mixed = 0;
      for (Index j = 0; j < k; ++j) {
        chosen += op.probabilities(i, op.experts(i, j));
        mixed += op.dweights(i, j) * op.weights(i, j);
      }
      float* d = op.dlogits.row(i);
      for (Index e = 0; e < count; ++e) d[e] = op.balance ? op.balance(e) : 0;
      for (Index j = 0; j < k; ++j) d[op.experts(i, j)] += (op.dweights(i, j) - mixed) / chosen;
      // Softmax: dlogit_e = p_e (dp_e - sum_f p_f dp_f).
      float mean = 0;
      for (Index e = 0; e < count; ++e) mean += op.probabilities(i, e) * d[e];
      for (Index e = 0; e < count; ++e) d[e] = op.probabilities(i, e) * (d[e] - mean);
    }
  });
}

template <class T>
void compute(Queue<Cpu>& queue, const CombineForward<Cpu, T>& op, Scratch) {
  const Index features = op.y.extent[1], k = op.slots.extent[1];
  cpu::parallel_rows(queue, op.y.rows(), features * k, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i)
      for (Index j = 0; j < k; ++j)
        cpu::dispatch<cpu::ScaledRowKernel>(queue.level(), op.y.row(i), op.from.row(op.slots(i, j)),
                                            op.weights(i, j), features, j > 0);
  });
}

template <class T>
void compute(Queue<Cpu>& queue, const CombineBackward<Cpu, T>& op, Scratch) {
  const Index features = op.dy.extent[1], k = op.slots.extent[1];
  cpu::parallel_rows(queue, op.dy.rows(), features * k, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i)
      for (Index j = 0; j < k; ++j) {
        const Index slot = op.slots(i, j);
        cpu::dispatch<cpu::DotKernel>(queue.level(), op.dy.row(i), op.from.row(slot), features,
                                      &op.dweights(i, j));
        cpu::dispatch<cpu::ScaledRowKernel>(queue.level(), op.dfrom.row(slot), op.dy.row(i), op.weights(i, j),
                                            features, false);
      }
  });
}

template <class T>
void compute(Queue<Cpu>& queue, const GatherSum<Cpu, T>& op, Scratch) {
  const Index features = op.y.extent[1], k = op.slots.extent[1];
  cpu::parallel_rows(queue, op.y.rows(), features * k, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i)
      for (Index j = 0; j < k; ++j)
        cpu::dispatch<cpu::ScaledRowKernel>(queue.level(), op.y.row(i), op.from.row(op.slots(i, j)), 1.0f,
                                            features, j > 0);
  });
}

template <class T>
void compute(Queue<Cpu>&, const BalanceLoss<Cpu, T>& op, Scratch) {
  const Index rows = op.probabilities.rows(), count = op.probabilities.extent[1];
  if (rows == 0) {
    for (Index e = 0; e < count; ++e) op.derivative(e) = 0;
    return;
  }
  double slots = static_cast<double>(op.offsets(count));
  if (op.counts) {
    slots = 0;
    for (Index e = 0; e < count; ++e) {
      if (!op.counted) op.counts(e) += op.offsets(e + 1) - op.offsets(e);
      slots += static_cast<double>(op.counts(e));
    }
  }
  double loss = 0;
  for (Index e = 0; e < count; ++e) {
    const std::int64_t chosen = op.counts ? op.counts(e) : op.offsets(e + 1) - op.offsets(e);
    const double share = static_cast<double>(chosen) / slots;
    double mean = 0;
    for (Index i = 0; i < rows; ++i) mean += op.probabilities(i, e);
    mean /= static_cast<double>(rows);
    loss += share * mean;
    op.derivative(e) =
        static_cast<float>(op.coefficient * static_cast<double>(count) * share / static_cast<double>(rows));
  }
  op.loss(0) += static_cast<float>(op.coefficient * static_cast<double>(count) * loss);
}

}  // namespace vlm
