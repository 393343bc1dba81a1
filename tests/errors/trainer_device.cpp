// A device that this build lacks is refused in one sentence.
// expected: vlm: Trainer has operations for the Cpu only so far
#include <vlm/train/trainer.hpp>

#ifdef WRONG
using Training = vlm::Trainer<vlm::S0, vlm::Qwen3VL, vlm::Cuda>;
#else
using Training = vlm::Trainer<vlm::S0, vlm::Qwen3VL, vlm::Cpu>;
#endif

const std::size_t size = sizeof(Training);
