// Root-mean-square norm on the CPU; bound by memory.
#pragma once

#include <cmath>
#include <cstring>

#include <vlm/ops/cpu/rows_parallel.hpp>
#include <vlm/ops/rms_norm.hpp>

namespace vlm::cpu {

struct RmsNormForwardKernel {
  template <int W>
  VLM_INLINE static void run(const RmsNormForward<Cpu, float>* op, Index first, Index rows) {
    const Index count = op->weight.rows(), groups = op->x.extent[1] / count;
    for (Index i = first; i < first + rows; ++i)
      for (Index group = 0; group < groups; ++group) {
        const float* x = op->x.row(i) + group * count;
        const float rstd = 1.0f / std::sqrt(squares<W>(x, count) / static_cast<float>(count) + op->eps);
        if (op->rstd) op->rstd(i, group) = rstd;
        scale_group<W>(x, op->weight.data, rstd, op->y.row(i) + group * count, count);
      }
  }

  template <int W>
  VLM_INLINE static float squares(const float* x, Index count) {
    Floats<W> sums[4] = {}, value;
    Index i = 0;
    for (; i + 4 * W <= count; i += 4 * W) VLM_UNROLL for (int k = 0; k < 4; ++k) {
        load<W>(value, x + i + k * W);
        sums[k] += value * value;
      }
    for (; i + W <= count; i += W) {
      load<W>(value, x + i);
      sums[0] += value * value;
    }
    float sum = sum_of<W>((sums[0] + sums[1]) + (sums[2] + sums[3]));
    for (; i < count; ++i) sum += x[i] * x[i];
    return sum;
  }
  template <int W>
  VLM_INLINE static void scale_group(const float* x, const float* weight, float rstd, float* y, Index count) {
    Floats<W> value, scale;
    Index i = 0;
    for (; i + W <= count; i += W) {
      load<W>(value, x + i);
      load<W>(scale, weight + i);
      value = (value * rstd) * scale;
      store<W>(y + i, value);
    }
    for (; i < count; ++i) y[i] = (x[i] * rstd) * weight[i];
  }
};

// dx = rstd * (w dy) - x * rstd^3 / n * sum(w dy x);  dweight += dy x rstd
struct RmsNormBackwardKernel {
  template <int W>
  VLM_INLINE static void run(const RmsNormBackward<Cpu, float>* op, float* dweight, Index first, Index rows) {
    const Index count = op->weight.rows(), groups = op->x.extent[1] / count;
    for (Index i = first; i < first + rows; ++i)
      for (Index group = 0; group < groups; ++group) {
        const float *dy = op->dy.row(i) + group * count, *x = op->x.row(i) + group * count;
        const float rstd = op->rstd(i, group);
        const float sum = products<W>(dy, x, op->weight.data, rstd, dweight, count);
        if (op->dx)
          input<W>(dy, x, op->weight.data, rstd, sum * rstd * rstd * rstd / static_cast<float>(count),
                   op->dx.row(i) + group * count, count);
      }
  }

  // The sum of w dy x; adds dy x rstd to dweight where it is wanted, before dx may take the place of dy.
  template <int W>
  VLM_INLINE static float products(const float* dy, const float* x, const float* weight, float rstd,
                                   float* dweight, Index count) {
    Floats<W> sums[4] = {}, d, value, scale, own;
    Index i = 0;
    for (; i + 4 * W <= count; i += 4 * W) VLM_UNROLL for (int k = 0; k < 4; ++k) {
        load<W>(d, dy + i + k * W);
        load<W>(value, x + i + k * W);
        load<W>(scale, weight + i + k * W);
        sums[k] += (d * scale) * value;
        if (!dweight) continue;
        load<W>(own, dweight + i + k * W);
        own += d * (value * rstd);
        store<W>(dweight + i + k * W, own);
      }
    // Filled up with zeros: a compiler may round a scalar loop otherwise with and without dweight.
    for (; i < count; i += W) {
      const Index some = count - i < W ? count - i : W;
      load_some<W>(d, dy + i, some);
      load_some<W>(value, x + i, some);
      load_some<W>(scale, weight + i, some);
      sums[0] += (d * scale) * value;
      if (!dweight) continue;
      load_some<W>(own, dweight + i, some);
      own += d * (value * rstd);
      store_some<W>(dweight + i, own, some);
    }
    return sum_of<W>((sums[0] + sums[1]) + (sums[2] + sums[3]));
  }
  template <int W>
  VLM_INLINE static void input(const float* dy, const float* x, const float* weight, float rstd, float slope,
                               float* dx, Index count) {
    Floats<W> d, value, scale;
    Index i = 0;
    for (; i + W <= count; i += W) {
      load<W>(d, dy + i);
      load<W>(value, x + i);
      load<W>(scale, weight + i);
      d = d * scale * rstd - value * slope;
      store<W>(dx + i, d);
    }
    for (; i < count; ++i) dx[i] = dy[i] * weight[i] * rstd - x[i] * slope;
  }
};

}  // namespace vlm::cpu

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const RmsNormForward<Cpu, T>& op, Scratch) {
  cpu::parallel_rows(queue, op.x.rows(), op.x.extent[1], [&](Index first, Index rows) {
    cpu::dispatch<cpu::RmsNormForwardKernel>(queue.level(), &op, first, rows);
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
  const Index count = op.weight.rows();
  const Index parts = cpu::part_count(op.x.rows()), per_part = cpu::rows_per_part(op.x.rows());
  float* sums = op.dweight ? scratch.as<float>() : nullptr;
  if (sums) std::memset(sums, 0, scratch_bytes(queue, op));
  queue.parallel(parts, [&](Index part, int) {
    const Index first = part * per_part;
    cpu::dispatch<cpu::RmsNormBackwardKernel>(queue.level(), &op, sums ? sums + part * count : nullptr, first,
                                              std::min(per_part, op.x.rows() - first));
  });
  for (Index part = 0; sums && part < parts; ++part)
    for (Index j = 0; j < count; ++j) op.dweight(j) += sums[part * count + j];
}

}  // namespace vlm
