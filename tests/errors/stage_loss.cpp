// A loss says how tokens weigh.
// expected: vlm: Loss<...> takes TokenMean, SqrtLoss, SampleMean or a type with a constant double `power`.
#include <vlm/train/stage.hpp>

struct Plain {};

#ifdef WRONG
struct Charts : vlm::Stage<"charts", vlm::Trainable<vlm::part::Merger>, vlm::Loss<Plain>> {};
#else
struct Charts : vlm::Stage<"charts", vlm::Trainable<vlm::part::Merger>, vlm::Loss<vlm::SampleMean>> {};
#endif

static_assert(Charts::LossKind::power == 1);
