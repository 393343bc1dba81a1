// Compiled definitions of the operations in vlm/ops/store_cells.hpp.
#include <vlm/ops/cpu/store_cells.hpp>

namespace vlm {

template void compute(Queue<Cpu>&, const StoreCells<Cpu, float>&, Scratch);

}  // namespace vlm
