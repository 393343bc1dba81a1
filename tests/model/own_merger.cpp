// A merger kind of a user's own: its taps norm before they fold, so they keep the rows that they read.
#include "model/masks.hpp"

using namespace golden;

namespace {

struct NormsFirst {
  template <class E>
  using Layer = MainMerger<E>;
};
using Own =
    Vlm<Encoder<SigLIP2>, Merger<NormsFirst, DeepStack<3>>, Decoder<Qwen3, Dense>, Rope<InterleavedM>>;

}  // namespace

BOOST_AUTO_TEST_SUITE(model_own_merger)

BOOST_AUTO_TEST_CASE(only_the_merger_learns) { check_mask<Own, Trainable<part::Merger>>(in_merger); }

BOOST_AUTO_TEST_CASE(only_the_encoder_learns) { check_mask<Own, Trainable<part::Encoder>>(in_encoder); }

BOOST_AUTO_TEST_SUITE_END()
