#include <boost/test/unit_test.hpp>

#include <type_traits>

#include <vlm/train/stage.hpp>

using namespace vlm;

namespace {

struct Base : Stage<"base", Loss<SqrtLoss>, Context<100>, Trainable<part::Merger>, Keep<BlockInputs>> {};
struct Derived : Stage<"derived", Context<200>, From<Base>> {};
struct Deeper : Stage<"deeper", From<Derived>, Trainable<part::All>> {};
struct Least : Stage<"least", Trainable<part::Decoder>> {};

}  // namespace

BOOST_AUTO_TEST_SUITE(train_stage)

BOOST_AUTO_TEST_CASE(options_stand_in_any_order) {
  BOOST_TEST(Base::stage_name.view() == "base");
  BOOST_TEST(Base::context == 100);
  BOOST_TEST((std::is_same_v<Base::Trains, Trainable<part::Merger>>));
  BOOST_TEST((std::is_same_v<Base::LossKind, SqrtLoss>));
  BOOST_TEST((std::is_same_v<Base::KeepKind, BlockInputs>));
}

BOOST_AUTO_TEST_CASE(from_supplies_what_is_not_given) {
  BOOST_TEST(Derived::context == 200);
  BOOST_TEST((std::is_same_v<Derived::Trains, Trainable<part::Merger>>));
  BOOST_TEST((std::is_same_v<Deeper::Trains, Trainable<part::All>>));
  BOOST_TEST(Deeper::context == 200);
  BOOST_TEST((std::is_same_v<Deeper::LossKind, SqrtLoss>));
}

BOOST_AUTO_TEST_CASE(defaults) {
  BOOST_TEST(Least::context == 8192);
  BOOST_TEST(Least::budget == 0);
  BOOST_TEST((std::is_same_v<Least::LossKind, TokenMean>));
  BOOST_TEST((std::is_same_v<Least::KeepKind, Everything>));
}

BOOST_AUTO_TEST_SUITE_END()
