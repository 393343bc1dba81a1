// Compiled definitions of the operations in vlm/ops/cross_entropy.hpp.
#include <vlm/ops/cpu/cross_entropy.hpp>

namespace vlm {

template void compute(Queue<Cpu>&, const CrossEntropy<Cpu, float>&, Scratch);
template std::size_t scratch_bytes(const Queue<Cpu>&, const CrossEntropy<Cpu, float>&);

}  // namespace vlm
