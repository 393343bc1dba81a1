// What trains is said by the names of parts; all of them stand alone.
// expected: vlm: Trainable<...> takes part::Encoder, part::Merger, part::Decoder and part::Head, or part::All alone.
#include <vlm/train/stage.hpp>

#ifdef WRONG
struct Charts : vlm::Stage<"charts", vlm::Trainable<vlm::part::All, vlm::part::Head>> {};
#else
struct Charts : vlm::Stage<"charts", vlm::Trainable<vlm::part::All>> {};
#endif

static_assert(Charts::context == 8192);
