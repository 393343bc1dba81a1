// A number of taps is 0 or more.
// expected: vlm: DeepStack<N> takes the number of taps, 0 or more.
#include <vlm/model/spec.hpp>

using namespace vlm;

#ifdef WRONG
using Merging = Merger<MLP2, DeepStack<-1>>;
#else
using Merging = Merger<MLP2, DeepStack<0>>;
#endif

static_assert(Merging::taps == 0);
