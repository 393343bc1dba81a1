// Compiled definitions of the operations in vlm/ops/add.hpp.
#include <vlm/ops/cpu/add.hpp>

namespace vlm {

template void compute(Queue<Cpu>&, const Add<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const Copy<Cpu, float>&, Scratch);

}  // namespace vlm
