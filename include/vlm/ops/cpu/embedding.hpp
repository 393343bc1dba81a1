// Token table on the CPU. The backward is spread over features, so that rows of one id add up in their order.
#pragma once

#include <cstring>

#include <vlm/ops/cpu/rows_parallel.hpp>
#include <vlm/ops/cpu/weight_blocks.hpp>
#include <vlm/ops/embedding.hpp>

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const EmbeddingForward<Cpu, T>& op, Scratch) {
  const Index features = op.y.extent[1];
  cpu::parallel_rows(queue, op.y.rows(), features, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i) {
      const Index from = op.ids(i) * op.table.pitch;
      T* y = op.y.row(i);
      if (is_blocks(op.table.format)) {
        for (Index j = 0; j < features; ++j)
          y[j] = static_cast<T>(cpu::block_element(static_cast<const std::byte*>(op.table.data),
                                                   op.table.format, features, op.ids(i), j));
      } else if (op.table.format == DType::BF16) {
        const bf16* row = static_cast<const bf16*>(op.table.data) + from;
        for (Index j = 0; j < features; ++j) y[j] = static_cast<T>(static_cast<float>(row[j]));
      } else {
        const float* row = static_cast<const float*>(op.table.data) + from;
        for (Index j = 0; j < features; ++j) y[j] = static_cast<T>(row[j]);
      }
    }
  });
}

template <class T>
void compute(Queue<Cpu>& queue, const EmbeddingBackward<Cpu, T>& op, Scratch) {
  const Index features = op.dy.extent[1];
  const Index width = std::max<Index>(64, features / (2 * queue.threads()) / 64 * 64);
  queue.parallel((features + width - 1) / width, [&](Index task, int) {
    const Index begin = task * width, end = std::min(features, begin + width);
    for (Index i = 0; i < op.dy.rows(); ++i) {
      float* into = op.dtable.row(op.ids(i));
      const T* dy = op.dy.row(i);
      for (Index j = begin; j < end; ++j) into[j] += static_cast<float>(dy[j]);
    }
  });
}

}  // namespace vlm
