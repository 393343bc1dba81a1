// Times of temporal steps, the text of a clip, and placing it in a prompt.
#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

#include <vlm/vision/timestamps.hpp>

namespace {

const std::vector<std::string> two_clips = {"[A]", "[B]"};

std::string placed(const std::string& prompt, vlm::OuterPair pair = vlm::OuterPair::Replace) {
  return vlm::place_video_texts(prompt, two_clips, pair);
}

std::string message_of(const std::string& prompt) {
  try {
    placed(prompt);
  } catch (const vlm::DataError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_timestamps)

BOOST_AUTO_TEST_CASE(times_of_steps) {
  // 60 frames at 24 per second, five sampled: the last step holds its frame twice.
  const std::vector<double> frames = {0, 15 / 24.0, 30 / 24.0, 44 / 24.0, 59 / 24.0};
  const std::vector<double> times = vlm::step_times(frames, 2);
  BOOST_TEST(vlm::video_text(times, 1) ==
             "<0.3 seconds><|vision_start|><|video_pad|><|vision_end|>"
             "<1.5 seconds><|vision_start|><|video_pad|><|vision_end|>"
             "<2.5 seconds><|vision_start|><|video_pad|><|vision_end|>");
  BOOST_TEST((vlm::step_times(std::vector<double>{1, 2, 6}, 3) == std::vector<double>{3.5}));
  BOOST_TEST((vlm::step_times(std::vector<double>{1, 2}, 1) == std::vector<double>{1, 2}));
}

BOOST_AUTO_TEST_CASE(text_in_both_forms) {
  const std::vector<double> times = {3, 3725.5};
  BOOST_TEST(vlm::video_text(times, 2) ==
             "<3.0 seconds><|vision_start|><|video_pad|><|video_pad|><|vision_end|>"
             "<3725.5 seconds><|vision_start|><|video_pad|><|video_pad|><|vision_end|>");
  BOOST_TEST(vlm::video_text(times, 1, vlm::TimeForm::Clock) ==
             "<00:00:03.0><|vision_start|><|video_pad|><|vision_end|>"
             "<01:02:05.5><|vision_start|><|video_pad|><|vision_end|>");
}

BOOST_AUTO_TEST_CASE(placeholders) {
  const std::string prompt = "a<|vision_start|><|video_pad|><|vision_end|>b<|video_pad|>c";
  BOOST_TEST(placed(prompt) == "a[A]b[B]c");
  BOOST_TEST(placed(prompt, vlm::OuterPair::Keep) == "a<|vision_start|>[A]<|vision_end|>b[B]c");
  // Half a pair stays.
  BOOST_TEST(placed("<|vision_start|><|video_pad|><|video_pad|><|vision_end|>") ==
             "<|vision_start|>[A][B]<|vision_end|>");
}

BOOST_AUTO_TEST_CASE(as_many_clips_as_placeholders) {
  BOOST_TEST(message_of("<|video_pad|>") ==
             "vlm::DataError [video-placeholders]\n  expected  a <|video_pad|> for each of 2 videos\n"
             "  got       1\n  try       pass exactly the videos that the text mentions");
  BOOST_TEST(message_of("<|video_pad|><|video_pad|><|video_pad|>").find("got       3") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(pieces_take_their_clips_in_order) {
  const std::vector<std::string> clips = {"[A]", "[B]"};
  std::size_t next = 0;
  BOOST_TEST(vlm::place_next_video_texts("none", clips, next) == "none");
  BOOST_TEST(vlm::place_next_video_texts("a<|video_pad|>", clips, next) == "a[A]");
  BOOST_TEST(vlm::place_next_video_texts("b<|video_pad|>", clips, next) == "b[B]");
  BOOST_TEST(next == 2u);
  BOOST_CHECK_THROW(vlm::place_next_video_texts("<|video_pad|>", clips, next), vlm::DataError);
}

BOOST_AUTO_TEST_SUITE_END()
