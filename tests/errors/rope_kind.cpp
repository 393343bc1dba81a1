// A rotary kind says which axis drives a frequency, and what the frequency is.
// expected: vlm: Rope takes Plain1D, SectionedM, InterleavedM, Spatial2D
#include <vlm/model/spec.hpp>

using namespace vlm;

#ifdef WRONG
using Turns = Rope<Dense>;
#else
using Turns = Rope<SectionedM>;
#endif

using Kind = Turns::RopeKind;
