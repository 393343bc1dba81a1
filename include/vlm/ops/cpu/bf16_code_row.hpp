// One row of activations with panels of codes, decoded in registers, where the processor multiplies pairs of bf16; and the
// exceptions of any rows. An element is the chain of bf16_tile.hpp, then its exceptions in order.
#pragma once

#include <vlm/ops/cpu/bf16_codes.hpp>
#include <vlm/ops/cpu/bf16_tile_dot.hpp>

namespace vlm::cpu {

// sums[rows, sum_pitch] += the exceptions of a slab of one panel times their inputs.
struct AddExceptionsKernel {
  template <int W>
  VLM_INLINE static void run(const std::byte* slab, const bf16* a, Index rows, float* sums) {
    const CodeHead head = CodeHead::of(slab);
    for (const CodeHead::Exception& exception : head) {
      if (exception.place >= slab_numbers) continue;
      const float value = static_cast<float>(exception.value());
      const bf16* x = a + exception.input();
      float* sum = sums + exception.output();
      for (Index row = 0; row < rows; ++row, x += slab_inputs, sum += Bf16Tile::sum_pitch)
        *sum = __builtin_fmaf(static_cast<float>(*x), value, *sum);
    }
  }
};
// The same of whole panels.
inline void add_exceptions(IsaLevel level, const Bf16Rows& a, Index a_row, Index rows, const std::byte* first,
                           Index pitch, Index panels, float* sums) {
  for (Index panel = 0; panel < panels; ++panel)
    for (Index slab = 0; slab < a.slabs(); ++slab) {
      const std::byte* at = first + panel * pitch + slab * code_slab_bytes;
      std::uint16_t count;
      std::memcpy(&count, at + offsetof(CodeHead, count), sizeof count);
      if (count > 0)
        dispatch<AddExceptionsKernel>(level, at, static_cast<const bf16*>(a.at(slab, a_row)), rows,
                                      sums + panel * panel_outputs);
    }
}

#if defined(__x86_64__)
struct Bf16CodeRow {
  const std::byte* panel;
  Index panel_pitch;
  Index panels;
  const Bf16Rows& a;
  Index a_row;

  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma"))) static void run(
      Bf16CodeRow t, float* sums) {
    for (; t.panels >= 4; t.next_panels(4), sums += 4 * panel_outputs) t.add<4>(sums);
    for (; t.panels >= 2; t.next_panels(2), sums += 2 * panel_outputs) t.add<2>(sums);
    for (; t.panels >= 1; t.next_panels(1), sums += panel_outputs) t.add<1>(sums);
  }

 private:
  VLM_INLINE void next_panels(Index count) {
    panel += count * panel_pitch;
    panels -= count;
  }

  template <int Panels>
  VLM_TARGET_BF16 void add(float* sums) const {
    Floats<16> sum[Panels];
    VLM_UNROLL for (int v = 0; v < Panels; ++v) sum[v] = Floats<16>{};
    for (Index slab = 0; slab < a.slabs(); ++slab) {
      const std::byte* at = panel + slab * code_slab_bytes;
      CodeTables<16> tables[Panels];
      VLM_UNROLL for (int v = 0; v < Panels; ++v) tables[v].read(at + v * panel_pitch);
      at += code_slab_head;
      const bf16* x = a.at(slab, a_row);
      for (Index left = 4 * blocks_of(std::min(slab_inputs, a.inputs - slab * slab_inputs)); left > 0;
           --left) {
        Integers<16> inputs[4];
        VLM_UNROLL for (int pair = 0; pair < 4; ++pair) spread_pair(inputs[pair], x + 2 * pair);
        VLM_UNROLL for (int v = 0; v < Panels; ++v) add_quad(sum[v], tables[v], inputs, at + v * panel_pitch);
        at += CodeQuad::bytes;
        x += 8;
      }
    }
    VLM_UNROLL for (int v = 0; v < Panels; ++v) store<16>(sums + v * panel_outputs, sum[v]);
  }
  VLM_TARGET_BF16 static void add_quad(Floats<16>& sum, const CodeTables<16>& tables,
                                       const Integers<16> (&inputs)[4], const std::byte* quad) {
    VLM_UNROLL for (int line = 0; line < 3; ++line) __builtin_prefetch(quad + panel_ahead + 64 * line);
    CodeBytes<16> codes, pair, next;
    std::memcpy(&codes, quad, sizeof codes);
    decode_places<16>(pair, next, tables, codes & 15, quad + 64);
    add_products(sum, inputs[0], (Integers<16>)pair);
    add_products(sum, inputs[1], (Integers<16>)next);
    decode_places<16>(pair, next, tables, (CodeBytes<16>)((Unsigned<16>)codes >> 4) & 15, quad + 128);
    add_products(sum, inputs[2], (Integers<16>)pair);
    add_products(sum, inputs[3], (Integers<16>)next);
  }
};
#endif

}  // namespace vlm::cpu
