// Compiled definitions of the operations in vlm/ops/layer_norm.hpp.
#include <vlm/ops/cpu/layer_norm.hpp>

namespace vlm {

template void compute(Queue<Cpu>&, const LayerNormForward<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const LayerNormBackward<Cpu, float>&, Scratch);
template std::size_t scratch_bytes(const Queue<Cpu>&, const LayerNormBackward<Cpu, float>&);

}  // namespace vlm
