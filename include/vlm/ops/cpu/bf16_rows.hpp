// Rows of activations as products with bf16 panels read them: rounded to bf16, in slabs of inputs so that the rows of a
// tile lie side by side. A row's numbers depend on that row alone.
#pragma once

#include <algorithm>

#include <vlm/core/view.hpp>
#include <vlm/ops/cpu/lanes.hpp>
#include <vlm/ops/weight_blocks.hpp>

namespace vlm::cpu {

// Rounded rows in memory of the caller.
struct Bf16Rows {
  bf16* values = nullptr;  // [slabs, rows, slab_inputs], zeros behind the inputs to the end of their block
  Index rows = 0, inputs = 0;

  static std::size_t bytes(Index rows, Index inputs) {
    return static_cast<std::size_t>(slabs_of(inputs) * rows * slab_inputs) * sizeof(bf16);
  }
  Bf16Rows(std::byte* memory, Index count, Index width)
      : values(reinterpret_cast<bf16*>(memory)), rows(count), inputs(width) {}
  Index slabs() const { return slabs_of(inputs); }
  bf16* at(Index slab, Index row) const { return values + (slab * rows + row) * slab_inputs; }
};

struct Bf16RowsKernel {
  template <int W>
  VLM_INLINE static void run(const float* x, Index pitch, Bf16Rows rows, Index first, Index count) {
    for (Index row = first; row < first + count; ++row)
      for (Index slab = 0; slab < rows.slabs(); ++slab)
        round<W>(x + row * pitch + slab * slab_inputs,
                 std::min(slab_inputs, rows.inputs - slab * slab_inputs), rows.at(slab, row));
  }

 private:
  template <int W>
  VLM_INLINE static void round(const float* x, Index count, bf16* to) {
    Index i = 0;
    for (; i + W <= count; i += W) {
      Floats<W> lanes;
      load<W>(lanes, x + i);
      store_bf16<W>(to + i, lanes);
    }
    for (; i < count; ++i) to[i] = bf16(x[i]);
    std::fill(to + count, to + blocks_of(count) * block_inputs, bf16{});
  }
};

}  // namespace vlm::cpu
