// Layer norm on the CPU; bound by memory.
#pragma once

#include <cmath>
#include <cstring>

#include <vlm/ops/cpu/rows_parallel.hpp>
#include <vlm/ops/layer_norm.hpp>

namespace vlm::cpu {

struct LayerNormForwardKernel {
  template <int W>
  VLM_INLINE static void run(const float* x, const float* weight, const float* bias, float* y,
                             float* statistics, Index count, float eps) {
    Floats<W> sum{}, value, scale, shift;
    Index i = 0;
    for (; i + W <= count; i += W) {
      load<W>(value, x + i);
      sum += value;
    }
    load_some<W>(value, x + i, count - i);
    sum += value;
    const float mean = sum_of<W>(sum) / static_cast<float>(count);
    sum = Floats<W>{};
    for (i = 0; i + W <= count; i += W) {
      load<W>(value, x + i);
      value -= mean;
      sum += value * value;
    }
    float squares = sum_of<W>(sum);
    for (; i < count; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const float factor = 1.0f / std::sqrt(squares / static_cast<float>(count) + eps);
    if (statistics) {
      statistics[0] = mean;
      statistics[1] = factor;
    }
    for (i = 0; i + W <= count; i += W) {
      load<W>(value, x + i);
      load<W>(scale, weight + i);
      load<W>(shift, bias + i);
      value = (value - mean) * factor * scale + shift;
      store<W>(y + i, value);
    }
    for (; i < count; ++i) y[i] = (x[i] - mean) * factor * weight[i] + bias[i];
  }
};

// With n = (x - mean) rstd and g = w dy:  dx = rstd (g - mean(g) - n mean(g n))
struct LayerNormInputKernel {
  template <int W>
  VLM_INLINE static void run(const float* dy, const float* x, const float* weight, const float* statistics,
                             float* dx, Index count) {
    const float mean = statistics[0], factor = statistics[1];
    Floats<W> sum{}, sum_normal{}, d, value, scale;
    Index i = 0;
    for (; i + W <= count; i += W) {
      load<W>(d, dy + i);
      load<W>(value, x + i);
      load<W>(scale, weight + i);
      d *= scale;
      sum += d;
      sum_normal += d * ((value - mean) * factor);
    }
    float total = sum_of<W>(sum), total_normal = sum_of<W>(sum_normal);
    for (; i < count; ++i) {
      total += dy[i] * weight[i];
      total_normal += dy[i] * weight[i] * ((x[i] - mean) * factor);
    }
    total /= static_cast<float>(count);
    total_normal /= static_cast<float>(count);
    for (i = 0; i + W <= count; i += W) {
      load<W>(d, dy + i);
      load<W>(value, x + i);
      load<W>(scale, weight + i);
      d = factor * (d * scale - total - (value - mean) * factor * total_normal);
      store<W>(dx + i, d);
    }
    for (; i < count; ++i)
      dx[i] = factor * (dy[i] * weight[i] - total - (x[i] - mean) * factor * total_normal);
  }
};

// dweight += dy n;  dbias += dy. A kernel of its own, so that dx has the same bits whether or
// not the norm trains.
struct LayerNormWeightKernel {
  template <int W>
  VLM_INLINE static void run(const float* dy, const float* x, const float* statistics, float* dweight,
                             float* dbias, Index count) {
    const float mean = statistics[0], factor = statistics[1];
    for (Index i = 0; i < count; ++i) {
      dweight[i] += dy[i] * ((x[i] - mean) * factor);
      dbias[i] += dy[i];
    }
  }
};

}  // namespace vlm::cpu

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const LayerNormForward<Cpu, T>& op, Scratch) {
  const Index count = op.x.extent[1];
  cpu::parallel_rows(queue, op.x.rows(), count, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i)
      cpu::dispatch<cpu::LayerNormForwardKernel>(queue.level(), op.x.row(i), op.weight.data, op.bias.data,
                                                 op.y.row(i), op.statistics ? op.statistics.row(i) : nullptr,
                                                 count, op.eps);
  });
}

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const LayerNormBackward<Cpu, T>& op) {
  return op.dweight
             ? static_cast<std::size_t>(2 * cpu::part_count(op.x.rows()) * op.x.extent[1]) * sizeof(float)
             : 0;
}
template <class T>
void compute(Queue<Cpu>& queue, const LayerNormBackward<Cpu, T>& op, Scratch scratch) {
  const Index count = op.x.extent[1];
  const Index parts = cpu::part_count(op.x.rows()), per_part = cpu::rows_per_part(op.x.rows());
  float* sums = op.dweight ? scratch.as<float>() : nullptr;
  if (sums) std::memset(sums, 0, scratch_bytes(queue, op));
  queue.parallel(parts, [&](Index part, int) {
    const Index end = std::min(op.x.rows(), (part + 1) * per_part);
    float* own = sums ? sums + 2 * part * count : nullptr;
    for (Index i = part * per_part; i < end; ++i) {
      if (own)  // first: dx may be dy itself
        cpu::dispatch<cpu::LayerNormWeightKernel>(queue.level(), op.dy.row(i), op.x.row(i),
                                                  op.statistics.row(i), own, own + count, count);
      if (op.dx)
        cpu::dispatch<cpu::LayerNormInputKernel>(queue.level(), op.dy.row(i), op.x.row(i), op.weight.data,
                                                 op.statistics.row(i), op.dx.row(i), count);
    }
  });
  for (Index part = 0; sums && part < parts; ++part)
    for (Index j = 0; j < count; ++j) {
      op.dweight(j) += sums[2 * part * count + j];
      op.dbias(j) += sums[(2 * part + 1) * count + j];
    }
}

}  // namespace vlm
