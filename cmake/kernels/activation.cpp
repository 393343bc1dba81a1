// Compiled definitions of the operations in vlm/ops/activation.hpp.
#include <vlm/ops/cpu/activation.hpp>

namespace vlm {

template void compute(Queue<Cpu>&, const GeluForward<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const GeluBackward<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const SwiGluForward<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const SwiGluBackward<Cpu, float>&, Scratch);

}  // namespace vlm
