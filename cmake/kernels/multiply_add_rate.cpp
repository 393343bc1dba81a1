// The measurement of vlm/ops/multiply_add_rate.hpp, compiled once.
#include <vlm/ops/cpu/multiply_add_rate.hpp>

template double vlm::detail::multiply_add_rate<>(vlm::Queue<vlm::Cpu>&);
