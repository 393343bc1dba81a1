// Compiled definitions of the operations in vlm/ops/weight_blocks.hpp.
#include <vlm/ops/cpu/weight_blocks.hpp>

namespace vlm {

template void compute(Queue<Cpu>&, const MakeBlocks<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const ReadBlocks<Cpu, float>&, Scratch);
template std::size_t scratch_bytes(const Queue<Cpu>&, const MakeBlocks<Cpu, float>&);

}  // namespace vlm
