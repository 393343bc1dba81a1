// Clips from ranges and from sources, and what no clip can be made of.
#include <boost/test/unit_test.hpp>

#include <list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <vlm/vision/video.hpp>

namespace {

template <class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const vlm::DataError& error) {
    return error.what();
  }
  return "no error";
}

const vlm::FrameClock four_a_second = vlm::FrameClock::rate(4);

}  // namespace

// A clip without a time base is no clip.
static_assert(!std::is_constructible_v<vlm::Video, vlm::Index, vlm::ImageSize, vlm::Video::Source>);
static_assert(!std::is_default_constructible_v<vlm::FrameClock>);

BOOST_AUTO_TEST_SUITE(vision_video)

BOOST_AUTO_TEST_CASE(frames_of_any_range) {
  std::list<vlm::Image> frames(3, vlm::Image(2, 4));
  frames.back().pixels[0] = 7;
  const vlm::Video video = vlm::Video::from_frames(frames, four_a_second);
  BOOST_TEST(video.frames() == 3);
  BOOST_TEST((video.size() == vlm::ImageSize{2, 4}));
  BOOST_TEST(video.time(2) == 0.5);
  vlm::Image storage;
  BOOST_TEST(int{video.frame(2, storage).pixels[0]} == 7);
  BOOST_TEST(storage.pixels.empty());
  BOOST_TEST(frames.size() == 3u);
}

BOOST_AUTO_TEST_CASE(a_vector_is_moved_in) {
  std::vector<vlm::Image> frames(2, vlm::Image(2, 2));
  const std::uint8_t* pixels = frames[1].pixels.data();
  const vlm::Video video = vlm::Video::from_frames(std::move(frames), four_a_second);
  vlm::Image storage;
  BOOST_TEST(video.frame(1, storage).pixels.data() == pixels);
}

BOOST_AUTO_TEST_CASE(frames_from_a_source) {
  const vlm::Video video(9, {1, 1}, four_a_second, [](vlm::Index frame) {
    vlm::Image image(1, 1);
    image.pixels[0] = static_cast<std::uint8_t>(frame);
    return image;
  });
  vlm::Image storage;
  BOOST_TEST(int{video.frame(8, storage).pixels[0]} == 8);
}

BOOST_AUTO_TEST_CASE(frames_of_two_sizes) {
  const vlm::Video video =
      vlm::Video::from_frames(std::vector{vlm::Image(2, 2), vlm::Image(2, 3)}, four_a_second);
  vlm::Image storage;
  BOOST_TEST(message_of([&] { video.frame(1, storage); }) ==
             "vlm::DataError [video-frame]\n  at        frame 1\n  expected  [2, 2, 3], as the clip\n"
             "  got       [2, 3] with 18 bytes\n  try       resize the frames of a clip to one size");
  BOOST_TEST(message_of([&] { video.frame(2, storage); }) ==
             "vlm::DataError [video-frame]\n  expected  a frame from 0 to 1\n  got       2"
             "\n  try       an index below frames()");
}

BOOST_AUTO_TEST_CASE(a_frame_that_lies_about_its_size) {
  const vlm::Video video(1, {2, 2}, four_a_second, [](vlm::Index) {
    vlm::Image image(2, 2);
    image.pixels.pop_back();
    return image;
  });
  vlm::Image storage;
  BOOST_TEST(message_of([&] { video.frame(0, storage); }).find("[2, 2] with 11 bytes") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(no_clip) {
  BOOST_TEST(message_of([] { vlm::Video::from_frames(std::vector<vlm::Image>{}, four_a_second); }) ==
             "vlm::DataError [video-frames]\n  expected  1 to 16777216 frames\n  got       0"
             "\n  try       at least one frame; of a long video, a part");
  BOOST_CHECK_THROW(vlm::Video(5, {0, 4}, four_a_second, {}), vlm::DataError);
  BOOST_CHECK_THROW(vlm::Video(5, {1 << 20, 1 << 20}, four_a_second, {}), vlm::DataError);
  BOOST_TEST(message_of([] { vlm::Video(5, {4, 4}, vlm::FrameClock::times({0, 1}), {}); }) ==
             "vlm::DataError [video-times]\n  expected  a time for each of 5 frames\n  got       2 times"
             "\n  try       a clock of as many frames");
}

BOOST_AUTO_TEST_SUITE_END()
