// Compiled definitions of the operations in vlm/ops/interpolate.hpp.
#include <vlm/ops/cpu/interpolate.hpp>

namespace vlm {

template void compute(Queue<Cpu>&, const InterpolateForward<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const InterpolateBackward<Cpu, float>&, Scratch);

}  // namespace vlm
