// Rows in ranges: how operations that treat rows or elements alone are spread over the workers.
#pragma once

#include <algorithm>

#include <vlm/core/view.hpp>
#include <vlm/ops/cpu/lanes.hpp>

namespace vlm::cpu {

// Calls work(first row, rows) for ranges of about `grain` elements; ranges depend on sizes alone.
template <class Work>
void parallel_rows(Queue<Cpu>& queue, Index rows, Index features, Work&& work, Index grain = 16 * 1024) {
  const Index per_task = std::max<Index>(1, grain / std::max<Index>(features, 1));
  queue.parallel((rows + per_task - 1) / per_task, [&](Index task, int) {
    const Index first = task * per_task;
    work(first, std::min(per_task, rows - first));
  });
}

// Sums over rows keep their bits for any number of threads: rows are cut into at most `most_parts` fixed
// parts, each part sums in order, and the parts are added in order.
inline constexpr Index most_parts = 16;
inline Index rows_per_part(Index rows) { return std::max<Index>(16, (rows + most_parts - 1) / most_parts); }
inline Index part_count(Index rows) {
  return rows == 0 ? 0 : (rows + rows_per_part(rows) - 1) / rows_per_part(rows);
}

// Work on elements alone. A Block is a struct with `inputs`, `outputs`, its Settings, and `apply<W>(lanes,
// settings)`, which takes a vector of each input in `lanes` and leaves the outputs there. An output may take
// the place of an input.
template <class Block>
struct Elementwise {
  const float* from[Block::inputs];
  Index from_pitch[Block::inputs];
  float* to[Block::outputs];
  Index to_pitch[Block::outputs];
  typename Block::Settings settings;
};
struct NoSettings {};

template <class Block>
struct ElementwiseKernel {
  static constexpr int inputs = Block::inputs, outputs = Block::outputs;
  static constexpr int vectors = inputs > outputs ? inputs : outputs;

  template <int W>
  VLM_INLINE static void run(const Elementwise<Block>* operands, Index first_row, Index rows, Index first,
                             Index count) {
    const typename Block::Settings settings = operands->settings;
    for (Index row = first_row; row < first_row + rows; ++row) {
      const float* from[inputs];
      float* to[outputs];
      VLM_UNROLL for (int k = 0; k < inputs; ++k) from[k] =
          operands->from[k] + row * operands->from_pitch[k] + first;
      VLM_UNROLL for (int k = 0; k < outputs; ++k) to[k] =
          operands->to[k] + row * operands->to_pitch[k] + first;
      run_row<W>(from, to, count, settings);
    }
  }
  template <int W>
  VLM_INLINE static void run_row(const float* const* from, float* const* to, Index count,
                                 const typename Block::Settings& settings) {
    Index i = 0;
    for (; i + W <= count; i += W) {
      Floats<W> lanes[vectors];
      VLM_UNROLL for (int k = 0; k < inputs; ++k) load<W>(lanes[k], from[k] + i);
      Block::template apply<W>(lanes, settings);
      VLM_UNROLL for (int k = 0; k < outputs; ++k) store<W>(to[k] + i, lanes[k]);
    }
    if (i == count) return;
    Floats<W> lanes[vectors];
    VLM_UNROLL for (int k = 0; k < inputs; ++k) load_some<W>(lanes[k], from[k] + i, count - i);
    Block::template apply<W>(lanes, settings);
    VLM_UNROLL for (int k = 0; k < outputs; ++k) store_some<W>(to[k] + i, lanes[k], count - i);
  }
};

// Matrices of one shape.
template <class Block>
void elementwise(Queue<Cpu>& queue, const View<const float, 2, Cpu> (&from)[Block::inputs],
                 const View<float, 2, Cpu> (&to)[Block::outputs]) {
  Elementwise<Block> operands{};
  for (int k = 0; k < Block::inputs; ++k)
    operands.from[k] = from[k].data, operands.from_pitch[k] = from[k].pitch;
  for (int k = 0; k < Block::outputs; ++k) operands.to[k] = to[k].data, operands.to_pitch[k] = to[k].pitch;
  const Index features = to[0].extent[1];
  parallel_rows(queue, to[0].rows(), features, [&](Index first, Index rows) {
    dispatch<ElementwiseKernel<Block>>(queue.level(), &operands, first, rows, Index{0}, features);
  });
}

}  // namespace vlm::cpu
