// A stage says what trains.
// expected: vlm: Stage<...> does not say what trains
#include <vlm/train/stage.hpp>

#ifdef WRONG
struct Charts : vlm::Stage<"charts", vlm::Context<1024>> {};
#else
struct Charts : vlm::Stage<"charts", vlm::Context<1024>, vlm::Trainable<vlm::part::Merger>> {};
#endif

static_assert(Charts::context == 1024);
