// Compiled ahead: the operations that tests/cuda/main.cpp, built by the C++ compiler, only sees declared.
#include <vlm/cuda.cuh>

namespace vlm {

template void compute(Queue<Cuda>&, const RmsNormForward<Cuda, float>&, Scratch);
template void compute(Queue<Cuda>&, const RmsNormForward<Cuda, bf16>&, Scratch);
template void compute(Queue<Cuda>&, const RmsNormBackward<Cuda, float>&, Scratch);
template void compute(Queue<Cuda>&, const RmsNormBackward<Cuda, bf16>&, Scratch);
template std::size_t scratch_bytes(const Queue<Cuda>&, const RmsNormBackward<Cuda, float>&);
template std::size_t scratch_bytes(const Queue<Cuda>&, const RmsNormBackward<Cuda, bf16>&);

}  // namespace vlm
