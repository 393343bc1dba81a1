// Compiled definitions of the operations in vlm/ops/matmul.hpp.
#include <vlm/ops/cpu/matmul.hpp>

namespace vlm {

template void compute(Queue<Cpu>&, const LinearForward<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const LinearForwards<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const LinearBackwardInput<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const LinearBackwardWeight<Cpu, float>&, Scratch);
template std::size_t scratch_bytes(const Queue<Cpu>&, const LinearForward<Cpu, float>&);
template std::size_t scratch_bytes(const Queue<Cpu>&, const LinearForwards<Cpu, float>&);
template std::size_t scratch_bytes(const Queue<Cpu>&, const LinearBackwardInput<Cpu, float>&);
template std::size_t scratch_bytes(const Queue<Cpu>&, const LinearBackwardWeight<Cpu, float>&);

}  // namespace vlm
