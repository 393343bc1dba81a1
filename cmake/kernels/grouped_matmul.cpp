// Compiled definitions of the operations in vlm/ops/grouped_matmul.hpp.
#include <vlm/ops/cpu/grouped_matmul.hpp>

namespace vlm {

template void compute(Queue<Cpu>&, const GroupedForward<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const GroupedBackwardInput<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const GroupedBackwardWeight<Cpu, float>&, Scratch);
template std::size_t scratch_bytes(const Queue<Cpu>&, const GroupedForward<Cpu, float>&);
template std::size_t scratch_bytes(const Queue<Cpu>&, const GroupedBackwardInput<Cpu, float>&);
template std::size_t scratch_bytes(const Queue<Cpu>&, const GroupedBackwardWeight<Cpu, float>&);

}  // namespace vlm
