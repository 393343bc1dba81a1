// The allocations of the program by operator new, which generate.cpp replaces.
#pragma once

#include <cstddef>

std::size_t allocation_count();
// Lets one allocation of this thread fail: the one that `others` come before. Negative: none.
void fail_allocation(std::ptrdiff_t others);
