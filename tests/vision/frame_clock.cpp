// Rates and times, what is refused, and times as text against Python's rounding.
#include <boost/test/unit_test.hpp>

#include <limits>
#include <string>
#include <vector>

#include <vlm/vision/frame_clock.hpp>

namespace {

template <class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const vlm::ConfigError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_frame_clock)

BOOST_AUTO_TEST_CASE(constant_rate) {
  const vlm::FrameClock clock = vlm::FrameClock::rate(30000.0 / 1001);
  BOOST_TEST(clock.is_constant());
  BOOST_TEST(clock.time(0) == 0.0);
  BOOST_TEST(clock.time(7) == 7 / (30000.0 / 1001));
  BOOST_TEST(clock.mean_rate(100) == 30000.0 / 1001);
}

BOOST_AUTO_TEST_CASE(times_of_their_own) {
  const vlm::FrameClock clock = vlm::FrameClock::times({0.5, 0.75, 0.75, 2.5});
  BOOST_TEST(!clock.is_constant());
  BOOST_TEST(clock.frames() == 4);
  BOOST_TEST(clock.time(3) == 2.5);
  BOOST_TEST(clock.mean_rate(4) == 1.5);
}

BOOST_AUTO_TEST_CASE(refused) {
  BOOST_TEST(message_of([] { vlm::FrameClock::rate(0); }) ==
             "vlm::ConfigError [video-rate]\n  expected  0.000001 to 1000000 frames per second\n"
             "  got       0.000000\n  try       take the rate from the file or camera the frames come from");
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double rate : {-1.0, infinity, std::numeric_limits<double>::quiet_NaN(), 1e-9})
    BOOST_CHECK_THROW(vlm::FrameClock::rate(rate), vlm::ConfigError);
  BOOST_TEST(message_of([] { vlm::FrameClock::times({0, 2, 1}); }) ==
             "vlm::ConfigError [video-times]\n"
             "  expected  seconds from 0 to 1000000000, none before the one ahead of it\n"
             "  got       1.000000 for frame 2\n"
             "  try       frames in the order in which they are shown, with their times");
  BOOST_CHECK_THROW(vlm::FrameClock::times({}), vlm::ConfigError);
  BOOST_CHECK_THROW(vlm::FrameClock::times({-0.1}), vlm::ConfigError);
  BOOST_CHECK_THROW(vlm::FrameClock::times({0, infinity}), vlm::ConfigError);
  BOOST_CHECK_THROW(vlm::time_text(-1), vlm::ConfigError);
}

BOOST_AUTO_TEST_CASE(text_in_seconds) {
  for (const auto& [seconds, text] : std::vector<std::pair<double, std::string>>{{0, "0.0"},
                                                                                 {0.25, "0.2"},
                                                                                 {0.75, "0.8"},
                                                                                 {1.25, "1.2"},
                                                                                 {8 / 30.0, "0.3"},
                                                                                 {59.96, "60.0"},
                                                                                 {12345.678, "12345.7"}})
    BOOST_TEST(vlm::time_text(seconds) == text + " seconds");
}

BOOST_AUTO_TEST_CASE(text_of_a_clock) {
  for (const auto& [seconds, text] : std::vector<std::pair<double, std::string>>{{0, "00:00:00.0"},
                                                                                 {3, "00:00:03.0"},
                                                                                 {0.25, "00:00:00.2"},
                                                                                 {59.96, "00:01:00.0"},
                                                                                 {3599.94, "00:59:59.9"},
                                                                                 {7384.5, "02:03:04.5"},
                                                                                 {360000, "100:00:00.0"}})
    BOOST_TEST(vlm::time_text(seconds, vlm::TimeForm::Clock) == text);
}

BOOST_AUTO_TEST_SUITE_END()
