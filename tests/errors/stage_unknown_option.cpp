// What stands among the options is one.
// expected: vlm: an argument of Stage<...> is no option
#include <vlm/train/stage.hpp>

#ifdef WRONG
struct Charts : vlm::Stage<"charts", vlm::part::Merger, vlm::Trainable<vlm::part::Merger>> {};
#else
struct Charts : vlm::Stage<"charts", vlm::Trainable<vlm::part::Merger>> {};
#endif

static_assert(Charts::budget == 0);
