// A layer that is no encoder is refused where the model is named.
// expected: vlm: the layer of a part lacks something that the model calls
#include <vlm/model/model.hpp>

using namespace vlm;

struct Own {
  template <class E>
#ifdef WRONG
  using Layer = RmsNorm<E>;
#else
  using Layer = SigLIP2Encoder<E>;
#endif
};
using Spec = Vlm<Encoder<Own>, Merger<MLP2>, Decoder<Qwen3, Dense>, Rope<InterleavedM>>;

const std::size_t size = sizeof(Model<Spec, Cpu>);
