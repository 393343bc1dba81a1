// A model in which nothing trains has no backward.
// expected: vlm: backward needs a part that trains
#include <vlm/model/model.hpp>

using namespace vlm;

#ifdef WRONG
using Net = Model<Qwen3VL, Cpu>;
#else
using Net = Model<Qwen3VL, Cpu, F32, Trainable<part::Merger>>;
#endif

void call(Net& net, Runtime<Cpu>& runtime, const Batch& batch, const Net::Saved& saved) {
  net.backward(runtime, batch, {}, saved, {});
}
