// Options that change what arithmetic means are refused.
// wrong: -ffast-math
// wrong: -ffinite-math-only
// expected: vlm: compile without -ffast-math and what it implies (-fassociative-math, -ffinite-math-only)
#include <vlm/core/config.hpp>

static_assert(VLM_VERSION_MAJOR >= 0);
