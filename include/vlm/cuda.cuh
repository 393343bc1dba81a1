// Definitions of the operations that CUDA has so far; needs nvcc. A program compiled by another compiler
// links a translation unit that instantiates them (tests/cuda shows both ways).
#pragma once

#include <vlm/ops/cuda/rms_norm.cuh>
