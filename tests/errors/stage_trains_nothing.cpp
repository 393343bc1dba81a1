// A stage without a part that learns is a mistake.
// expected: vlm: a Stage<...> trains at least one part; Trainable<> trains none.
#include <vlm/train/stage.hpp>

#ifdef WRONG
struct Idle : vlm::Stage<"idle", vlm::Trainable<>> {};
#else
struct Idle : vlm::Stage<"idle", vlm::Trainable<vlm::part::Head>> {};
#endif

static_assert(Idle::context == 8192);
