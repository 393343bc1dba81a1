// What stands beside the kind of a merger is its number of taps.
// expected: vlm: the second argument of Merger is DeepStack<N>, N taps.
#include <vlm/model/spec.hpp>

using namespace vlm;

#ifdef WRONG
using Merging = Merger<MLP2, SigLIP2>;
#else
using Merging = Merger<MLP2, DeepStack<3>>;
#endif

static_assert(Merging::taps >= 0);
