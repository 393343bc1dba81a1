// Compiled definitions of the operations in vlm/ops/reduce.hpp.
#include <vlm/ops/cpu/reduce.hpp>

namespace vlm {

template void compute(Queue<Cpu>&, const SquaredNorm<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const ArgMax<Cpu, float>&, Scratch);
template std::size_t scratch_bytes(const Queue<Cpu>&, const SquaredNorm<Cpu, float>&);

}  // namespace vlm
