#include <boost/test/unit_test.hpp>

#include <type_traits>

#include <vlm/train/stage.hpp>

using namespace vlm;

namespace {

struct Base : Stage<"base", Loss<SqrtLoss>, Context<100>, Trainable<part::Merger>, Keep<BlockInputs>> {};
struct Derived : Stage<"derived", Context<200>, From<Base>> {};
struct Deeper : Stage<"deeper", From<Derived>, Trainable<part::All>> {};
// A loss of one's own: between the square root and the mean over samples.
struct ThreeQuarters {
  static constexpr double power = 0.75;
};
struct Own : Stage<"own", From<Deeper>, Loss<ThreeQuarters>, Budget<5>> {};
struct Aloud : Stage<"aloud", Format<Thinking>, From<Own>> {};
struct Louder : Stage<"louder", From<Aloud>, Context<300>> {};
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

BOOST_AUTO_TEST_CASE(options_may_be_types_of_ones_own) {
  BOOST_TEST(Own::LossKind::power == 0.75);
  BOOST_TEST(Own::budget == 5);
  BOOST_TEST((std::is_same_v<Own::Trains, Trainable<part::All>>));
  BOOST_TEST((std::is_same_v<Own::KeepKind, BlockInputs>));
  BOOST_TEST((std::is_same_v<Louder::FormatKind, Thinking>));
  BOOST_TEST(TrainingStage<Own>);
  BOOST_TEST(!TrainingStage<ThreeQuarters>);
}

BOOST_AUTO_TEST_CASE(defaults) {
  BOOST_TEST(Least::context == 8192);
  BOOST_TEST(Least::budget == 0);
  BOOST_TEST((std::is_same_v<Least::LossKind, TokenMean>));
  BOOST_TEST((std::is_same_v<Least::KeepKind, Everything>));
  BOOST_TEST((std::is_same_v<Least::FormatKind, AnyFormat>));
}

BOOST_AUTO_TEST_SUITE_END()
