// The same through nvcc, with the definitions for CUDA; it computes nothing, so that it runs without a GPU.
#include <vlm/cuda.cuh>
#include <vlm/vlm.hpp>

namespace vlm {
template void compute(Queue<Cuda>&, const RmsNormForward<Cuda, float>&, Scratch);
}

int main() {
  try {
    vlm::parse_json("{", "settings.json");
  } catch (const vlm::FileError& error) {
    return error.id() == "json-syntax" ? 0 : 1;
  }
  return 1;
}
