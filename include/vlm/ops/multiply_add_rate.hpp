// How fast this machine multiplies and adds at most, measured: what the speed of a run is held against.
#pragma once

#include <vlm/core/queue.hpp>

namespace vlm {

namespace detail {
// A template, so that a program may have its definition in its own translation unit or in a library.
template <class = void>
double multiply_add_rate(Queue<Cpu>& queue);
}  // namespace detail

// FLOP/s of fused multiply-adds (two FLOP each) in registers, on all threads of the queue at its instruction set: the
// best of the tries that 20 ms allow. No product reaches it, since it reads no memory; a machine that is busy or slows
// down meanwhile measures less than it has.
inline double multiply_add_rate(Queue<Cpu>& queue) { return detail::multiply_add_rate<>(queue); }

}  // namespace vlm
