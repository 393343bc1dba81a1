// The parts of a model stand in one order.
// expected: vlm: the first argument of Vlm is Encoder<...>.
#include <vlm/model/spec.hpp>

using namespace vlm;

#ifdef WRONG
using Net = Vlm<Merger<MLP2, DeepStack<3>>, Encoder<SigLIP2>, Decoder<Qwen3, Dense>, Rope<InterleavedM>>;
#else
using Net = Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<3>>, Decoder<Qwen3, Dense>, Rope<InterleavedM>>;
#endif

static_assert(Net::taps == 3);
