// Compiled definitions of the operations in vlm/ops/rope.hpp.
#include <vlm/ops/cpu/rope.hpp>

namespace vlm {

template void compute(Queue<Cpu>&, const RopeRotate<Cpu, float>&, Scratch);

}  // namespace vlm
