// Compiled definitions of the operations in vlm/ops/attention.hpp.
#include <vlm/ops/cpu/attention.hpp>

namespace vlm {

template void compute(Queue<Cpu>&, const AttentionForward<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const AttentionBackward<Cpu, float>&, Scratch);
template std::size_t scratch_bytes(const Queue<Cpu>&, const AttentionForward<Cpu, float>&);
template std::size_t scratch_bytes(const Queue<Cpu>&, const AttentionBackward<Cpu, float>&);

}  // namespace vlm
