// Sampling on the CPU; bound by memory. A row is one task. The vocabulary is never sorted: the largest value of each
// block of tokens bounds the k-th largest from below, so that few candidates are left to select from; the border of
// top-p is found by halving the candidates.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include <vlm/ops/cpu/rows_parallel.hpp>
#include <vlm/ops/sample.hpp>

namespace vlm::cpu {

inline constexpr Index sample_block = 256;

// The largest value of each block. `*usable` becomes false where a value is a NaN or +infinity.
struct BlockMaximaKernel {
  template <int W>
  VLM_INLINE static void run(const float* x, Index count, float* maxima, bool* usable) {
    Integers<W> fine = Floats<W>{} == Floats<W>{};
    bool rest_is_fine = true;
    for (Index first = 0; first < count; first += sample_block) {
      const Index end = first + sample_block < count ? first + sample_block : count;
      Floats<W> value, most;
      fill<W>(most, -INFINITY);
      Index i = first;
      for (; i + W <= end; i += W) {
        load<W>(value, x + i);
        fine &= value < INFINITY;
        most = most < value ? value : most;
      }
      float top = max_of<W>(most);
      for (; i < end; ++i) {
        rest_is_fine = rest_is_fine && x[i] < INFINITY;
        top = top < x[i] ? x[i] : top;
      }
      *maxima++ = top;
    }
    for (int lane = 0; lane < W; ++lane) rest_is_fine = rest_is_fine && fine[lane] != 0;
    *usable = rest_is_fine;
  }
};

// weights = e^((x - top) / temperature) where x >= least, else 0, of at most one block; `*sum` of them.
struct SampleWeightsKernel {
  template <int W>
  VLM_INLINE static void run(const float* x, Index count, float top, float temperature, float least,
                             float* weights, double* sum) {
    Floats<W> total{}, value, kept;
    for (Index i = 0; i < count; i += W) {
      if (i + W <= count) {
        load<W>(value, x + i);
      } else {
        fill<W>(value, -INFINITY);
        for (Index j = i; j < count; ++j) value[j - i] = x[j];
      }
      kept = (value - top) / temperature;
      exponential<W>(kept);
      kept = value >= least ? kept : Floats<W>{};
      store<W>(weights + i, kept);
      total += kept;
    }
    *sum = static_cast<double>(sum_of<W>(total));
  }
};

// One row and the memory of the worker that samples it.
class RowSampler {
 public:
  static std::size_t bytes(Index vocabulary) {
    const Index blocks = block_count(vocabulary);
    const Index needed = blocks * static_cast<Index>(sizeof(double) + sizeof(float)) +
                         vocabulary * static_cast<Index>(sizeof(float) + sizeof(Candidate));
    return static_cast<std::size_t>((needed + 63) / 64 * 64);
  }

  RowSampler(IsaLevel level, Index vocabulary, std::byte* memory)
      : level_(level),
        count_(vocabulary),
        blocks_(block_count(vocabulary)),
        masses_(reinterpret_cast<double*>(memory)),
        maxima_(reinterpret_cast<float*>(masses_ + blocks_)),
        x_(maxima_ + blocks_),
        candidates_(reinterpret_cast<Candidate*>(x_ + count_)) {}

  // The logits, which `penalise` changes before they are looked at.
  template <class Penalise>
  void read(const float* logits, Penalise&& penalise) {
    std::memcpy(x_, logits, static_cast<std::size_t>(count_) * sizeof(float));
    penalise(x_);
    dispatch<BlockMaximaKernel>(level_, x_, count_, maxima_, &usable_);
    top_ = blocks_ > 0 ? *std::max_element(maxima_, maxima_ + blocks_) : -INFINITY;
    usable_ = usable_ && top_ > -INFINITY;
  }
  bool usable() const { return usable_; }
  float value(Index token) const { return x_[token]; }

  // The largest value, of equals the lowest index.
  Index best() const {
    Index block = 0;
    while (maxima_[block] != top_) ++block;
    return std::find(x_ + block * sample_block, x_ + count_, top_) - x_;
  }

  // The log of the sum of e^(x / temperature), less top / temperature.
  double log_total(float temperature) { return std::log(sum_weights(temperature, -INFINITY)); }
  double log_probability(float value, float temperature, double log_total) const {
    return (static_cast<double>(value) - top_) / temperature - log_total;
  }

  Index draw(const SampleSettings& s, float uniform) {
    const float least = truncate(s);
    const double target = sum_weights(s.temperature, least) * static_cast<double>(uniform);
    double sum = 0;
    Index block = 0, last = 0;
    for (; block < blocks_ && sum + masses_[block] <= target; ++block) {
      sum += masses_[block];
      if (masses_[block] > 0) last = block;
    }
    if (block == blocks_) block = last;
    const Index size = weigh(block, s.temperature, least);
    Index chosen = 0;
    for (Index i = 0; i < size; ++i) {  // the last that has weight, where rounding leaves the sum short
      if (weights_[i] <= 0) continue;
      chosen = i;
      sum += static_cast<double>(weights_[i]);
      if (sum > target) break;
    }
    return block * sample_block + chosen;
  }

 private:
  struct Candidate {
    float x, weight;
    std::int32_t index;
  };
  static bool precedes(const Candidate& a, const Candidate& b) {
    return a.x > b.x || (a.x == b.x && a.index < b.index);
  }
  static Index block_count(Index vocabulary) { return (vocabulary + sample_block - 1) / sample_block; }

  // Weights of a block into weights_; its size.
  Index weigh(Index block, float temperature, float least) {
    const Index first = block * sample_block, size = std::min(sample_block, count_ - first);
    dispatch<SampleWeightsKernel>(level_, static_cast<const float*>(x_ + first), size, top_, temperature,
                                  least, weights_, masses_ + block);
    return size;
  }
  double sum_weights(float temperature, float least) {
    double total = 0;
    for (Index block = 0; block < blocks_; ++block) {
      masses_[block] = 0;
      if (maxima_[block] >= least) weigh(block, temperature, least);
      total += masses_[block];
    }
    return total;
  }

  // The least value that is kept. What equals it and is not kept becomes -infinity.
  float truncate(const SampleSettings& s) {
    float least = -INFINITY;
    const bool some = s.top_k > 0 && s.top_k < count_;
    if (some) {
      const Index n = collect(largest_of_maxima(s.top_k), s.temperature);
      std::nth_element(candidates_, candidates_ + s.top_k - 1, candidates_ + n, precedes);
      least = candidates_[s.top_k - 1].x;
      if (s.top_p < 1) {
        const Candidate* end = std::partition(candidates_, candidates_ + n,
                                              [least](const Candidate& c) { return c.x >= least; });
        double total = 0;
        for (const Candidate* c = candidates_; c < end; ++c) total += static_cast<double>(c->weight);
        least = keep_share(end - candidates_, static_cast<double>(s.top_p) * total);
      }
    } else if (s.top_p < 1) {
      // Tokens below `light` have together less than half of what top-p drops.
      const double total = sum_weights(s.temperature, -INFINITY), p = static_cast<double>(s.top_p);
      const double light = 0.5 * (1 - p) * total / static_cast<double>(count_);
      const Index n = collect(at_weight(light, s.temperature), s.temperature);
      least = keep_share(n, p * total);
    }
    return s.min_p > 0 ? std::max(least, at_weight(static_cast<double>(s.min_p), s.temperature)) : least;
  }

  // The least float at which a token has at least this weight.
  float at_weight(double weight, float temperature) const {
    const double exact = static_cast<double>(top_) + static_cast<double>(temperature) * std::log(weight);
    const auto near = static_cast<float>(exact);
    return static_cast<double>(near) < exact ? std::nextafter(near, INFINITY) : near;
  }

  // At least k values are as large as this.
  float largest_of_maxima(Index k) {
    if (k > blocks_) return -INFINITY;
    float* copy = reinterpret_cast<float*>(candidates_);
    std::memcpy(copy, maxima_, static_cast<std::size_t>(blocks_) * sizeof(float));
    std::nth_element(copy, copy + k - 1, copy + blocks_, [](float a, float b) { return a > b; });
    return copy[k - 1];
  }

  // Lists the tokens from `least` on; their number.
  Index collect(float least, float temperature) {
    Index n = 0;
    for (Index block = 0; block < blocks_; ++block) {
      if (maxima_[block] < least) continue;
      const Index first = block * sample_block, size = weigh(block, temperature, least);
      for (Index i = 0; i < size; ++i)
        if (x_[first + i] >= least)
          candidates_[n++] = {x_[first + i], weights_[i], static_cast<std::int32_t>(first + i)};
    }
    return n;
  }

  // Top-p among n candidates: the value of the last that is kept.
  float keep_share(Index n, double limit) {
    Candidate *first = candidates_, *end = candidates_ + n;
    double before = 0;  // the weight of those that precede `first`
    while (end - first > 1) {
      Candidate* middle = first + (end - first) / 2;
      std::nth_element(first, middle, end, precedes);
      double mass = before;
      for (const Candidate* c = first; c < middle; ++c) mass += static_cast<double>(c->weight);
      if (mass < limit) {
        before = mass;
        first = middle;
      } else {
        end = middle;
      }
    }
    const Candidate last = *first;
    for (const Candidate* c = candidates_; c < candidates_ + n; ++c)
      if (c->x == last.x && c->index > last.index) x_[c->index] = -INFINITY;
    return last.x;
  }

  IsaLevel level_;
  Index count_, blocks_;
  double* masses_;  // [blocks]
  float* maxima_;   // [blocks]
  float* x_;        // [vocabulary]
  Candidate* candidates_;
  float weights_[sample_block];
  float top_ = 0;
  bool usable_ = false;
};

inline float penalised(float x, std::int32_t count, const SampleSettings& s) {
  x = x < 0 ? x * s.repetition_penalty : x / s.repetition_penalty;
  return x - s.frequency_penalty * static_cast<float>(count) - (count > 0 ? s.presence_penalty : 0.0f);
}

}  // namespace vlm::cpu

namespace vlm {

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const SampleTokens<Cpu, T>& op) {
  const int workers = op.logits.rows() <= 1 ? 1 : queue.threads();
  return static_cast<std::size_t>(workers) * cpu::RowSampler::bytes(op.logits.extent[1]);
}
template <class T>
void compute(Queue<Cpu>& queue, const SampleTokens<Cpu, T>& op, Scratch scratch) {
  const Index vocabulary = op.logits.extent[1];
  queue.parallel(op.logits.rows(), [&](Index i, int worker) {
    cpu::RowSampler row(queue.level(), vocabulary,
                        scratch.data + static_cast<std::size_t>(worker) * cpu::RowSampler::bytes(vocabulary));
    const SampleSettings& s = op.settings(i);
    const T* logits = op.logits.row(i);
    row.read(logits, [&](float* x) {
      if (!op.seen_offsets) return;
      for (Index j = op.seen_offsets(i); j < op.seen_offsets(i + 1); ++j)
        x[op.seen_tokens(j)] = cpu::penalised(logits[op.seen_tokens(j)], op.seen_counts(j), s);
    });
    op.tokens(i) = -1;
    if (op.log_probabilities) op.log_probabilities(i) = NAN;
    if (!row.usable()) return;
    const float temperature = s.temperature > 0 ? s.temperature : 1.0f;
    const double log_total = op.log_probabilities ? row.log_total(temperature) : 0;
    const Index token = s.temperature > 0 ? row.draw(s, op.uniform(i)) : row.best();
    op.tokens(i) = static_cast<std::int32_t>(token);
    if (op.log_probabilities)
      op.log_probabilities(i) =
          static_cast<float>(row.log_probability(row.value(token), temperature, log_total));
  });
}

}  // namespace vlm
