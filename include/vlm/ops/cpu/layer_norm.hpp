// Layer norm on the CPU; bound by memory.
#pragma once

#include <cmath>
#include <cstring>

#include <vlm/ops/cpu/rows_parallel.hpp>
#include <vlm/ops/layer_norm.hpp>

namespace vlm::cpu {

struct LayerNormForwardKernel {
  template <int W>
  VLM_INLINE static void run(const LayerNormForward<Cpu, float>* op, Index first, Index rows) {
    const Index count = op->x.extent[1];
    for (Index i = first; i < first + rows; ++i) {
      const float* x = op->x.row(i);
      const float mean = sum<W>(x, count) / static_cast<float>(count);
      const float variance = squares<W>(x, mean, count) / static_cast<float>(count);
      const float rstd = 1.0f / std::sqrt(variance + op->eps);
      if (op->statistics) {
        op->statistics(i, 0) = mean;
        op->statistics(i, 1) = rstd;
      }
      scale_row<W>(x, op->weight.data, op->bias.data, mean, rstd, op->y.row(i), count);
    }
  }

  template <int W>
  VLM_INLINE static float sum(const float* x, Index count) {
    Floats<W> sums[4] = {}, value;
    Index i = 0;
    for (; i + 4 * W <= count; i += 4 * W) VLM_UNROLL for (int k = 0; k < 4; ++k) {
        load<W>(value, x + i + k * W);
        sums[k] += value;
      }
    float total = sum_of<W>((sums[0] + sums[1]) + (sums[2] + sums[3]));
    for (; i < count; ++i) total += x[i];
    return total;
  }
  template <int W>
  VLM_INLINE static float squares(const float* x, float mean, Index count) {
    Floats<W> sums[4] = {}, value;
    Index i = 0;
    for (; i + 4 * W <= count; i += 4 * W) VLM_UNROLL for (int k = 0; k < 4; ++k) {
        load<W>(value, x + i + k * W);
        value -= mean;
        sums[k] += value * value;
      }
    float total = sum_of<W>((sums[0] + sums[1]) + (sums[2] + sums[3]));
    for (; i < count; ++i) total += (x[i] - mean) * (x[i] - mean);
    return total;
  }
  template <int W>
  VLM_INLINE static void scale_row(const float* x, const float* weight, const float* bias, float mean,
                                   float rstd, float* y, Index count) {
    Floats<W> value, scale, shift;
    Index i = 0;
    for (; i + W <= count; i += W) {
      load<W>(value, x + i);
      load<W>(scale, weight + i);
      load<W>(shift, bias + i);
      value = (value - mean) * rstd * scale + shift;
      store<W>(y + i, value);
    }
    for (; i < count; ++i) y[i] = (x[i] - mean) * rstd * weight[i] + bias[i];
  }
};

// With n = (x - mean) rstd and g = w dy:  dx = rstd (g - mean(g) - n mean(g n));
// dweight += dy n;  dbias += dy
struct LayerNormBackwardKernel {
  // Of g and of g n over a row.
  struct Sums {
    float plain, normal;
  };

  template <int W>
  VLM_INLINE static void run(const LayerNormBackward<Cpu, float>* op, float* dweight, float* dbias,
                             Index first, Index rows) {
    const Index count = op->x.extent[1];
    for (Index i = first; i < first + rows; ++i) {
      const float *dy = op->dy.row(i), *x = op->x.row(i);
      const float mean = op->statistics(i, 0), rstd = op->statistics(i, 1);
      Sums sums;
      add_up<W>(dy, x, op->weight.data, mean, rstd, dweight, dbias, sums, count);
      sums.plain /= static_cast<float>(count);
      sums.normal /= static_cast<float>(count);
      if (op->dx) input<W>(dy, x, op->weight.data, mean, rstd, sums, op->dx.row(i), count);
    }
  }

  // Adds to dweight and dbias where they are wanted, before dx may take the place of dy. The last lanes are filled up
  // with zeros rather than added one by one: a compiler may round a scalar loop otherwise with and without dweight.
  template <int W>
  VLM_INLINE static void add_up(const float* dy, const float* x, const float* weight, float mean, float rstd,
                                float* dweight, float* dbias, Sums& sums, Index count) {
    Floats<W> plain[2] = {}, products[2] = {}, d, normal, scale, own;
    Index i = 0;
    for (; i + 2 * W <= count; i += 2 * W) VLM_UNROLL for (int k = 0; k < 2; ++k) {
        load<W>(d, dy + i + k * W);
        load<W>(normal, x + i + k * W);
        load<W>(scale, weight + i + k * W);
        add_lanes<W>(d, normal, scale, mean, rstd, plain[k], products[k]);
        if (!dweight) continue;
        load<W>(own, dweight + i + k * W);
        own += d * normal;
        store<W>(dweight + i + k * W, own);
        load<W>(own, dbias + i + k * W);
        own += d;
        store<W>(dbias + i + k * W, own);
      }
    for (; i < count; i += W) {
      const Index some = count - i < W ? count - i : W;
      load_some<W>(d, dy + i, some);
      load_some<W>(normal, x + i, some);
      load_some<W>(scale, weight + i, some);
      add_lanes<W>(d, normal, scale, mean, rstd, plain[0], products[0]);
      if (!dweight) continue;
      load_some<W>(own, dweight + i, some);
      own += d * normal;
      store_some<W>(dweight + i, own, some);
      load_some<W>(own, dbias + i, some);
      own += d;
      store_some<W>(dbias + i, own, some);
    }
    sums = {sum_of<W>(plain[0] + plain[1]), sum_of<W>(products[0] + products[1])};
  }
  // x becomes normal, weight becomes g.
  template <int W>
  VLM_INLINE static void add_lanes(const Floats<W>& d, Floats<W>& x, Floats<W>& weight, float mean,
                                   float rstd, Floats<W>& plain, Floats<W>& products) {
    x = (x - mean) * rstd;
    weight *= d;
    plain += weight;
    products += weight * x;
  }
  template <int W>
  VLM_INLINE static void input(const float* dy, const float* x, const float* weight, float mean, float rstd,
                               const Sums& means, float* dx, Index count) {
    Floats<W> d, value, scale;
    Index i = 0;
    for (; i + W <= count; i += W) {
      load<W>(d, dy + i);
      load<W>(value, x + i);
      load<W>(scale, weight + i);
      d = rstd * (d * scale - means.plain - (value - mean) * rstd * means.normal);
      store<W>(dx + i, d);
    }
    for (; i < count; ++i)
      dx[i] = rstd * (dy[i] * weight[i] - means.plain - (x[i] - mean) * rstd * means.normal);
  }
};

}  // namespace vlm::cpu

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const LayerNormForward<Cpu, T>& op, Scratch) {
  cpu::parallel_rows(queue, op.x.rows(), op.x.extent[1], [&](Index first, Index rows) {
    cpu::dispatch<cpu::LayerNormForwardKernel>(queue.level(), &op, first, rows);
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
    const Index first = part * per_part;
    float* own = sums ? sums + 2 * part * count : nullptr;
    cpu::dispatch<cpu::LayerNormBackwardKernel>(queue.level(), &op, own, own ? own + count : nullptr, first,
                                                std::min(per_part, op.x.rows() - first));
  });
  for (Index part = 0; sums && part < parts; ++part)
    for (Index j = 0; j < count; ++j) {
      op.dweight(j) += sums[2 * part * count + j];
      op.dbias(j) += sums[(2 * part + 1) * count + j];
    }
}

}  // namespace vlm
