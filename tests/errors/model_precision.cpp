// Activations are f32 so far.
// expected: vlm: Model computes with F32 activations only so far
#include <vlm/model/model.hpp>

using namespace vlm;

#ifdef WRONG
using Net = Model<Qwen3VL, Cpu, Bf16>;
#else
using Net = Model<Qwen3VL, Cpu, F32>;
#endif

const std::size_t size = sizeof(Net);
