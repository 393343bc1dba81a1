// Trainer takes a stage first.
// expected: vlm: the first argument of Trainer must derive from vlm::Stage<...>.
#include <vlm/train/trainer.hpp>

#ifdef WRONG
using Wrong = vlm::Trainer<vlm::Qwen3VL>;
const std::size_t size = sizeof(Wrong);
#else
using Right = vlm::Trainer<vlm::S0>;
const std::size_t size = sizeof(Right);
#endif
