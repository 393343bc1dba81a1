// Compiled definitions of the operations in vlm/ops/route.hpp.
#include <vlm/ops/cpu/route.hpp>

namespace vlm {

template void compute(Queue<Cpu>&, const RouteForward<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const RouteBackward<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const BalanceLoss<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const CombineForward<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const CombineBackward<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const GatherSum<Cpu, float>&, Scratch);

}  // namespace vlm
