// Compiled definitions of the operations in vlm/ops/adamw.hpp.
#include <vlm/ops/cpu/adamw.hpp>

namespace vlm {

template void compute(Queue<Cpu>&, const AdamW<Cpu, float>&, Scratch);

}  // namespace vlm
