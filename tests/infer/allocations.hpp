// How often the program has called operator new; counted by tests/infer/generate.cpp.
#pragma once

#include <cstddef>

std::size_t allocation_count();
