// Root-mean-square norm on the CPU; bound by memory.
#pragma once

#include <cmath>
#include <cstring>

#include <vlm/ops/cpu/rows_parallel.hpp>
#include <vlm/ops/rms_norm.hpp>

namespace vlm::cpu {

// One group of `count` features.
struct RmsNormForwardKernel {
  template <int W>
  VLM_INLINE static void run(const float* x, const float* weight, float* y, float* rstd, Index count,
                             Index groups, float eps) {
    for (Index group = 0; group < groups; ++group, x += count, y += count) {
      Floats<W> sum{}, value, scale;
      Index i = 0;
      for (; i + W <= count; i += W) {
        load<W>(value, x + i);
        sum += value * value;
      }
      load_some<W>(value, x + i, count - i);
      sum += value * value;
      const float factor = 1.0f / std::sqrt(sum_of<W>(sum) / static_cast<float>(count) + eps);
      if (rstd) rstd[group] = factor;
      for (i = 0; i + W <= count; i += W) {
        load<W>(value, x + i);
        load<W>(scale, weight + i);
        value = (value * factor) * scale;
        store<W>(y + i, value);
      }
      for (; i < count; ++i) y[i] = (x[i] * factor) * weight[i];
    }
  }
};

// dx = rstd * (w dy) - x * rstd^3 / n * sum(w dy x)
struct RmsNormInputKernel {
  template <int W>
  VLM_INLINE static void run(const float* dy, const float* x, const float* weight, const float* rstd,
                             float* dx, Index count, Index groups) {
    for (Index group = 0; group < groups; ++group, x += count, dy += count, dx += count) {
      Floats<W> sum{}, d, value, scale;
      const float factor = rstd[group];
      Index i = 0;
      for (; i + W <= count; i += W) {
        load<W>(d, dy + i);
        load<W>(value, x + i);
        load<W>(scale, weight + i);
        sum += d * scale * value;
      }
      float total = sum_of<W>(sum);
      for (; i < count; ++i) total += dy[i] * weight[i] * x[i];
      const float slope = total * factor * factor * factor / static_cast<float>(count);
      for (i = 0; i + W <= count; i += W) {
        load<W>(d, dy + i);
        load<W>(value, x + i);
        load<W>(scale, weight + i);
        d = d * scale * factor - value * slope;
        store<W>(dx + i, d);
      }
      for (; i < count; ++i) dx[i] = dy[i] * weight[i] * factor - x[i] * slope;
    }
  }
};

// dweight += dy x rstd. A kernel of its own, so that dx has the same bits whether or not the weight trains.
struct RmsNormWeightKernel {
  template <int W>
  VLM_INLINE static void run(const float* dy, const float* x, const float* rstd, float* dweight, Index count,
                             Index groups) {
    for (Index group = 0; group < groups; ++group, x += count, dy += count) {
      const float factor = rstd[group];
      for (Index i = 0; i < count; ++i) dweight[i] += dy[i] * x[i] * factor;
    }
  }
};

}  // namespace vlm::cpu

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const RmsNormForward<Cpu, T>& op, Scratch) {
  const Index count = op.weight.rows(), groups = op.x.extent[1] / count;
  cpu::parallel_rows(queue, op.x.rows(), op.x.extent[1], [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i)
      cpu::dispatch<cpu::RmsNormForwardKernel>(queue.level(), op.x.row(i), op.weight.data, op.y.row(i),
                                               op.rstd ? op.rstd.row(i) : nullptr, count, groups, op.eps);
  });
}

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const RmsNormBackward<Cpu, T>& op) {
  return op.dweight
             ? static_cast<std::size_t>(cpu::part_count(op.x.rows()) * op.weight.rows()) * sizeof(float)
             : 0;
}
template <class T>
void compute(Queue<Cpu>& queue, const RmsNormBackward<Cpu, T>& op, Scratch scratch) {
  const Index count = op.weight.rows(), groups = op.x.extent[1] / count;
  const Index parts = cpu::part_count(op.x.rows()), per_part = cpu::rows_per_part(op.x.rows());
  float* sums = op.dweight ? scratch.as<float>() : nullptr;
  if (sums) std::memset(sums, 0, scratch_bytes(queue, op));
  queue.parallel(parts, [&](Index part, int) {
    const Index end = std::min(op.x.rows(), (part + 1) * per_part);
    for (Index i = part * per_part; i < end; ++i) {
      if (sums)  // first: dx may be dy itself
        cpu::dispatch<cpu::RmsNormWeightKernel>(queue.level(), op.dy.row(i), op.x.row(i), op.rstd.row(i),
                                                sums + part * count, count, groups);
      if (op.dx)
        cpu::dispatch<cpu::RmsNormInputKernel>(queue.level(), op.dy.row(i), op.x.row(i), op.weight.data,
                                               op.rstd.row(i), op.dx.row(i), count, groups);
    }
  });
  for (Index part = 0; sums && part < parts; ++part)
    for (Index j = 0; j < count; ++j) op.dweight(j) += sums[part * count + j];
}

}  // namespace vlm
