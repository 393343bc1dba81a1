// Compiled definitions of the operations in vlm/ops/rows.hpp.
#include <vlm/ops/cpu/rows.hpp>

namespace vlm {

template void compute(Queue<Cpu>&, const PlaceRows<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const AddRows<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const TakeRows<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const ZeroRows<Cpu, float>&, Scratch);

}  // namespace vlm
