#include <boost/test/unit_test.hpp>

#include <vlm/train/schedule.hpp>

BOOST_AUTO_TEST_SUITE(train_schedule)

// Steps 1000, warm-up 30, peak 1e-5, end 0.
BOOST_AUTO_TEST_CASE(cosine_worked_numbers) {
  const vlm::Schedule rate{.peak = 1e-5, .end = 0, .warm_up = 30, .steps = 1000};
  BOOST_TEST(rate(15) == 5e-6, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(rate(30) == 1e-5, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(rate(500) == 5.242811e-6, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(rate(999) == 2.6224e-11, boost::test_tools::tolerance(1e-4));
  BOOST_TEST(rate(1000) == 0.0);
  BOOST_TEST(rate(1001) == 0.0);
}

BOOST_AUTO_TEST_CASE(ends_at_the_end_rate_and_starts_at_once_without_warm_up) {
  const vlm::Schedule rate{.peak = 1, .end = 0.25, .warm_up = 0, .steps = 10};
  BOOST_TEST(rate(0) == 1.0);
  BOOST_TEST(rate(10) == 0.25, boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(a_single_step_trains_at_the_peak) {
  BOOST_TEST((vlm::Schedule{.peak = 0.5, .end = 0, .warm_up = 0, .steps = 1}(1)) == 0.5);
  BOOST_TEST((vlm::Schedule{.peak = 0.5, .end = 0, .warm_up = 3, .steps = 4}(4)) == 0.5);
}

BOOST_AUTO_TEST_CASE(linear_and_constant) {
  vlm::Schedule rate{.peak = 1, .end = 0.5, .warm_up = 10, .steps = 110, .shape = vlm::RateShape::Linear};
  BOOST_TEST(rate(5) == 0.5);
  BOOST_TEST(rate(10) == 1.0);
  BOOST_TEST(rate(60) == 0.75, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(rate(110) == 0.5);
  BOOST_TEST(rate(111) == 0.5);
  rate.shape = vlm::RateShape::Constant;
  BOOST_TEST(rate(5) == 0.5);
  BOOST_TEST(rate(10) == 1.0);
  BOOST_TEST(rate(110) == 1.0);
}

BOOST_AUTO_TEST_SUITE_END()
