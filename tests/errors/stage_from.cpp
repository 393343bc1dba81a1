// A stage comes from a stage.
// expected: vlm: From<...> takes a stage, which derives from vlm::Stage<...>.
#include <vlm/train/stages.hpp>

struct Settings {};

#ifdef WRONG
struct Charts : vlm::Stage<"charts", vlm::From<Settings>> {};
#else
struct Charts : vlm::Stage<"charts", vlm::From<vlm::S1>> {};
static_assert(Charts::context == 8192);
#endif
