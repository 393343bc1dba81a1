// Token table on the CPU. The backward is spread over features, so that rows of one id add up in their order.
#pragma once

#include <cstring>

#include <vlm/ops/cpu/rows_parallel.hpp>
#include <vlm/ops/cpu/weight_blocks.hpp>
#include <vlm/ops/embedding.hpp>

namespace vlm::cpu {

// The start of a row that is read next: rows of a table lie anywhere, which no processor foresees.
inline void fetch_row(const float* row, Index features) {
  constexpr Index most = 512;  // the rest it fetches by itself
  for (Index j = 0; j < std::min(features, most); j += 16) __builtin_prefetch(row + j);
}

// into[ids[i]] += from[i] for the columns [begin, end), row by row.
struct AddAtIdsKernel {
  static constexpr Index ahead = 2;  // rows that are fetched

  template <int W>
  VLM_INLINE static void run(float* into, Index into_pitch, const std::int32_t* ids, const float* from,
                             Index from_pitch, Index rows, Index begin, Index end) {
    for (Index i = 0; i < rows; ++i, from += from_pitch) {
      float* to = into + ids[i] * into_pitch;
      const float* soon = into + ids[std::min(i + ahead, rows - 1)] * into_pitch;
      Floats<W> sum, value;
      Index j = begin;
      for (; j + 16 <= end; j += 16) {
        __builtin_prefetch(soon + j, 1);
        VLM_UNROLL for (int part = 0; part < 16; part += W) {
          load<W>(sum, to + j + part);
          load<W>(value, from + j + part);
          sum += value;
          store<W>(to + j + part, sum);
        }
      }
      for (; j < end; ++j) to[j] += from[j];
    }
  }
};

}  // namespace vlm::cpu

namespace vlm {

template <class T>
void compute(Queue<Cpu>& queue, const EmbeddingForward<Cpu, T>& op, Scratch) {
  const Index features = op.y.extent[1];
  cpu::parallel_rows(queue, op.y.rows(), features, [&](Index first, Index rows) {
    for (Index i = first; i < first + rows; ++i) {
      const Index from = op.ids(i) * op.table.pitch;
      T* y = op.y.row(i);
      if (is_blocks(op.table.format)) {
        cpu::read_block_row(queue.level(), static_cast<const std::byte*>(op.table.data), op.table.format,
                            features, op.ids(i), y);
      } else if (op.table.format == DType::BF16) {
        const bf16* row = static_cast<const bf16*>(op.table.data) + from;
        for (Index j = 0; j < features; ++j) y[j] = static_cast<T>(static_cast<float>(row[j]));
      } else {
        const float* table = static_cast<const float*>(op.table.data);
        if (i + 1 < first + rows) cpu::fetch_row(table + op.ids(i + 1) * op.table.pitch, features);
        static_assert(sizeof(T) == sizeof(float));
        std::memcpy(y, table + from, static_cast<std::size_t>(features) * sizeof(float));
      }
    }
  });
}

template <class T>
void compute(Queue<Cpu>& queue, const EmbeddingBackward<Cpu, T>& op, Scratch) {
  const Index features = op.dy.extent[1];
  const Index width = std::max<Index>(1, (features + 64 * queue.threads() - 1) / (64 * queue.threads())) * 64;
  queue.parallel((features + width - 1) / width, [&](Index task, int) {
    cpu::dispatch<cpu::AddAtIdsKernel>(queue.level(), op.dtable.data, op.dtable.pitch, op.ids.data,
                                       op.dy.data, op.dy.pitch, op.dy.rows(), task * width,
                                       std::min(features, (task + 1) * width));
  });
}

}  // namespace vlm
