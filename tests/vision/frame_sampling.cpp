// Sampled frames against the reference's, and what is refused.
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>
#include <vlm/vision/frame_sampling.hpp>

namespace {

using Frames = std::vector<vlm::Index>;

vlm::FrameSampling by(decltype(vlm::FrameSampling::rule) rule) { return {rule, 4, 768}; }

std::string message_of(const vlm::FrameSampling& sampling) {
  try {
    vlm::check_sampling(sampling);
  } catch (const vlm::ConfigError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_frame_sampling)

BOOST_AUTO_TEST_CASE(by_rate) {
  const Frames expected = {0,   16,  31,  47,  63,  79,  94,  110, 126, 142,
                           157, 173, 189, 205, 220, 236, 252, 268, 283, 299};
  BOOST_TEST(vlm::sample_frames(300, vlm::FrameClock::rate(30), {}) == expected,
             boost::test_tools::per_element());
  BOOST_TEST((vlm::sample_frames(75, vlm::FrameClock::rate(25), {}) == Frames{0, 15, 30, 44, 59, 74}));
  BOOST_TEST((vlm::sample_frames(60, vlm::FrameClock::rate(24), {}) == Frames{0, 15, 30, 44, 59}));
  BOOST_TEST((vlm::sample_frames(37, vlm::FrameClock::rate(30), {}) == Frames{0, 12, 24, 36}));
  BOOST_TEST((vlm::sample_frames(3, vlm::FrameClock::rate(30), {}) == Frames{0, 1, 2}));
  BOOST_TEST((vlm::sample_frames(1, vlm::FrameClock::rate(30), {}) == Frames{0}));
  BOOST_TEST(vlm::sample_frames(1 << 20, vlm::FrameClock::rate(30), {}).size() == 768u);
}

BOOST_AUTO_TEST_CASE(every_entry_of_the_reference_table) {
  const std::string path = "tests/golden/video/clips.json";
  const vlm::Json table = vlm::parse_json(vlm::read_file(path), path).at("samples");
  BOOST_TEST(table.items().size() == 120u);
  for (const vlm::Json& row : table.items()) {
    const Frames frames = vlm::sample_frames(row.at(0).integer(), vlm::FrameClock::rate(row.at(1).number()),
                                             by(vlm::SampleRate{row.at(2).number()}));
    BOOST_TEST(static_cast<vlm::Index>(frames.size()) == row.at(3).integer());
    std::uint32_t sum = 2166136261u;  // FNV-1a of the indices as little-endian 32-bit integers
    for (const vlm::Index frame : frames)
      for (int shift = 0; shift < 32; shift += 8)
        sum = (sum ^ static_cast<std::uint8_t>(frame >> shift)) * 16777619u;
    BOOST_TEST(sum == row.at(4).integer());
  }
}

BOOST_AUTO_TEST_CASE(other_rules) {
  const vlm::FrameClock clock = vlm::FrameClock::rate(10);
  BOOST_TEST((vlm::sample_frames(10, clock, by(vlm::SampleCount{3})) == Frames{0, 4, 9}));
  BOOST_TEST((vlm::sample_frames(10, clock, by(vlm::SampleCount{1})) == Frames{0}));
  BOOST_TEST((vlm::sample_frames(2, clock, by(vlm::SampleCount{5})) == Frames{0, 0, 0, 1, 1}));
  BOOST_TEST((vlm::sample_frames(5, clock, by(vlm::SampleNothing{})) == Frames{0, 1, 2, 3, 4}));
  BOOST_TEST((vlm::sample_frames(6, clock, {vlm::SampleRange{}, 2, 4}) == Frames{0, 2, 3, 5}));
}

BOOST_AUTO_TEST_CASE(evenly_in_time) {
  // Frames at 0, 0.1, ..., 0.9 and then at 5 and 9; the nearest to 3 and to 6 seconds is the one at 5.
  std::vector<double> times;
  for (int i = 0; i < 10; ++i) times.push_back(i * 0.1);
  times.insert(times.end(), {5, 9});
  const vlm::FrameClock clock = vlm::FrameClock::times(times);
  BOOST_TEST((vlm::sample_frames(12, clock, by(vlm::SampleCount{4})) == Frames{0, 10, 10, 11}));
  BOOST_TEST(vlm::sample_frames(12, clock, by(vlm::SampleRate{0.5})).size() == 4u);  // 9.8 s of video
}

BOOST_AUTO_TEST_CASE(equal_times_as_at_a_rate) {
  std::vector<double> times;
  for (int i = 0; i < 300; ++i) times.push_back(i / 32.0);
  const Frames frames = vlm::sample_frames(300, vlm::FrameClock::times(times), by(vlm::SampleRate{2.02}));
  BOOST_TEST((frames == vlm::sample_frames(300, vlm::FrameClock::rate(32), by(vlm::SampleRate{2.02}))));
}

BOOST_AUTO_TEST_CASE(refused) {
  BOOST_TEST(message_of(by(vlm::SampleRate{0})) ==
             "vlm::ConfigError [video-sampling]\n  field     fps\n  expected  more than 0, at most 1000000\n"
             "  got       0.000000"
             "\n  try       the sampling of the model's preprocessor files");
  BOOST_TEST(
      message_of(by(vlm::SampleCount{0})) ==
      "vlm::ConfigError [video-sampling]\n  field     num_frames\n  expected  1 to 131070\n  got       0"
      "\n  try       the sampling of the model's preprocessor files");
  BOOST_TEST(message_of({vlm::SampleRate{}, 8, 4}) ==
             "vlm::ConfigError [video-sampling]\n  field     min_frames, max_frames\n"
             "  expected  1 <= min_frames <= max_frames <= 131070\n  got       8, 4"
             "\n  try       the sampling of the model's preprocessor files");
  BOOST_CHECK_THROW(vlm::sample_frames(200000, vlm::FrameClock::rate(1), by(vlm::SampleNothing{})),
                    vlm::DataError);
}

BOOST_AUTO_TEST_SUITE_END()
