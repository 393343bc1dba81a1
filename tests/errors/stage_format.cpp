// Conversations are written by one of the published chat templates.
// expected: vlm: Format<...> takes AnyFormat, NonThinking or Thinking.
#include <vlm/train/stages.hpp>

struct Aloud {};

#ifdef WRONG
struct Charts : vlm::Stage<"charts", vlm::From<vlm::S1>, vlm::Format<Aloud>> {};
#else
struct Charts : vlm::Stage<"charts", vlm::From<vlm::S1>, vlm::Format<vlm::Thinking>> {};
#endif

static_assert(Charts::FormatKind::variant == vlm::ChatVariant::Thinking);
