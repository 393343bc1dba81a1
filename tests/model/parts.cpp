#include <vlm/model/parts.hpp>

#include <boost/test/unit_test.hpp>

using namespace vlm;

BOOST_AUTO_TEST_SUITE(model_parts)

BOOST_AUTO_TEST_CASE(a_set_knows_its_parts) {
  using Set = Trainable<part::Merger, part::Head>;
  static_assert(Set::has<part::Merger> && Set::has<part::Head>);
  static_assert(!Set::has<part::Encoder> && !Set::has<part::Decoder>);
  static_assert(!Trainable<>::has<part::Decoder>);
  using All = detail::FlattenTrainable<Trainable<part::All>>::Type;
  static_assert(All::has<part::Encoder> && All::has<part::Merger> && All::has<part::Decoder> &&
                All::has<part::Head>);
  static_assert(std::is_same_v<detail::FlattenTrainable<Set>::Type, Set>);
  BOOST_TEST(Set::has<part::Merger>);
}

// A part that does not learn passes gradients on only where something before it learns.
BOOST_AUTO_TEST_CASE(modes) {
  static_assert(std::is_same_v<detail::ModeOf<true, true>, Trained>);
  static_assert(std::is_same_v<detail::ModeOf<true, false>, Trained>);
  static_assert(std::is_same_v<detail::ModeOf<false, true>, Passing>);
  static_assert(std::is_same_v<detail::ModeOf<false, false>, Inert>);
  BOOST_TEST((detail::ModeOf<false, true>::passes && !detail::ModeOf<false, true>::trained));
}

BOOST_AUTO_TEST_SUITE_END()
