// A device without operations is refused in one sentence.
// expected: vlm: Model has operations for the Cpu only so far
#include <vlm/model/model.hpp>

using namespace vlm;

#ifdef WRONG
using Net = Model<Qwen3VL, Cuda>;
#else
using Net = Model<Qwen3VL, Cpu>;
#endif

const std::size_t size = sizeof(Net);
