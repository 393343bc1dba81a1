// Compiled definitions of the operations in vlm/ops/rms_norm.hpp.
#include <vlm/ops/cpu/rms_norm.hpp>

namespace vlm {

template void compute(Queue<Cpu>&, const RmsNormForward<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const RmsNormBackward<Cpu, float>&, Scratch);
template std::size_t scratch_bytes(const Queue<Cpu>&, const RmsNormBackward<Cpu, float>&);

}  // namespace vlm
