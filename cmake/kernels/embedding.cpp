// Compiled definitions of the operations in vlm/ops/embedding.hpp.
#include <vlm/ops/cpu/embedding.hpp>

namespace vlm {

template void compute(Queue<Cpu>&, const EmbeddingForward<Cpu, float>&, Scratch);
template void compute(Queue<Cpu>&, const EmbeddingBackward<Cpu, float>&, Scratch);

}  // namespace vlm
