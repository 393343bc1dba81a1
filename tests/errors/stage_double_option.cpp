// An option is given once.
// expected: vlm: an option of Stage<...> is given twice
#include <vlm/train/stage.hpp>

#ifdef WRONG
struct Charts
    : vlm::Stage<"charts", vlm::Context<1024>, vlm::Context<2048>, vlm::Trainable<vlm::part::Merger>> {};
#else
struct Charts : vlm::Stage<"charts", vlm::Context<1024>, vlm::Trainable<vlm::part::Merger>> {};
#endif

static_assert(Charts::budget == 0);
