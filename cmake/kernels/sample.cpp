// Compiled definitions of the operations in vlm/ops/sample.hpp.
#include <vlm/ops/cpu/sample.hpp>

namespace vlm {

template std::size_t scratch_bytes(const Queue<Cpu>&, const SampleTokens<Cpu, float>&);
template void compute(Queue<Cpu>&, const SampleTokens<Cpu, float>&, Scratch);

}  // namespace vlm
