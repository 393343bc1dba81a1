#include <boost/test/unit_test.hpp>

#include <type_traits>

#include <vlm/train/stages.hpp>

using namespace vlm;

BOOST_AUTO_TEST_SUITE(train_stages)

// Table 1 of the Qwen3-VL report: what trains, how many tokens, how long a sequence.
BOOST_AUTO_TEST_CASE(published_masks_contexts_and_budgets) {
  BOOST_TEST((std::is_same_v<S0::Trains, Trainable<part::Merger>>));
  BOOST_TEST(S0::context == 8192);
  BOOST_TEST(S0::budget == 67'000'000'000);
  BOOST_TEST((std::is_same_v<S1::Trains, Trainable<part::All>>));
  BOOST_TEST(S1::context == 8192);
  BOOST_TEST(S1::budget == 1'000'000'000'000);
  BOOST_TEST((std::is_same_v<S2::Trains, Trainable<part::All>>));
  BOOST_TEST(S2::context == 32768);
  BOOST_TEST(S2::budget == 1'000'000'000'000);
  BOOST_TEST((std::is_same_v<S3::Trains, Trainable<part::All>>));
  BOOST_TEST(S3::context == 262144);
  BOOST_TEST(S3::budget == 100'000'000'000);
  BOOST_TEST((std::is_same_v<S0::LossKind, SqrtLoss>));
  BOOST_TEST((std::is_same_v<S3::LossKind, SqrtLoss>));
  BOOST_TEST((std::is_same_v<SFT<NonThinking>::Trains, Trainable<part::All>>));
  BOOST_TEST(SFT<NonThinking>::context == 32768);
  BOOST_TEST(SFT<Thinking>::context == 32768);
  BOOST_TEST((std::is_same_v<SFT<Thinking>::Trains, Trainable<part::All>>));
  BOOST_TEST((SFT<NonThinking>::FormatKind::variant == ChatVariant::Instruct));
  BOOST_TEST((SFT<Thinking>::FormatKind::variant == ChatVariant::Thinking));
  BOOST_TEST(!S3::FormatKind::variant);
  BOOST_TEST(SFT<Thinking>::stage_name.view() != SFT<NonThinking>::stage_name.view());
  BOOST_TEST(!TextWarmUp::Trains::has<part::Encoder>);
}

BOOST_AUTO_TEST_SUITE_END()
