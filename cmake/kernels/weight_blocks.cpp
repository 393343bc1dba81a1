// Compiled definition of make_blocks in vlm/ops/weight_blocks.hpp.
#include <vlm/ops/cpu/weight_blocks.hpp>

namespace vlm {

template bool make_blocks(Queue<Cpu>&, View<const float, 2, Cpu>, DType, std::byte*);

}  // namespace vlm
