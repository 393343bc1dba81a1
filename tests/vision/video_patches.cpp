// Indices, grids, texts and rows of clips against the reference's, from the same frames; and bits for any threads.
#include "vision/clips.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <vlm/core/queue.hpp>
#include <vlm/io/safetensors.hpp>
#include <vlm/vision/video_patches.hpp>

namespace {

template <class Rows>
vlm::Index checksum(const Rows& rows) {
  std::uint32_t sum = 2166136261u;
  std::vector<unsigned char> bytes(rows.size() * sizeof(float));
  std::memcpy(bytes.data(), rows.data(), bytes.size());
  for (const unsigned char byte : bytes) sum = (sum ^ byte) * 16777619u;
  return sum;
}

}  // namespace

void clips::check(const Clip& clip, const vlm::Video& video) {
  BOOST_TEST_CONTEXT(clip.name) {
    const vlm::VideoPlan plan = vlm::plan_video(video, clip.settings);
    BOOST_TEST(plan.frames == clip.indices, boost::test_tools::per_element());
    vlm::Queue<vlm::Cpu> queue(2);
    const vlm::PatchedVideo patched = vlm::patchify(video, clip.settings, queue);
    BOOST_TEST((patched.grid == vlm::Grid{clip.grid[0], clip.grid[1], clip.grid[2]}));
    const vlm::ImageSettings& patches = clip.settings.patches;
    BOOST_TEST(vlm::video_text(patched.times, patched.step_tokens(patches.merge_size)) == clip.text);

    const vlm::SafetensorsFile file(clips::folder + "levels.safetensors");
    const vlm::StoredTensor* levels = file.find(clip.name);
    BOOST_REQUIRE(levels);
    BOOST_REQUIRE(levels->bytes.size() == patched.rows.size());
    const auto plane = static_cast<std::size_t>(patches.features() / 3);
    std::size_t off_by_more = 0, different = 0;
    for (std::size_t i = 0; i < patched.rows.size(); ++i) {
      const std::size_t c = i / plane % 3;
      const double level = (patched.rows[i] * patches.std[c] + patches.mean[c]) * 255;
      const long difference = std::labs(std::lrint(level) - static_cast<long>(levels->bytes[i]));
      different += difference > 0;
      off_by_more += difference > 1;
    }
    // Nothing to resize: every bit. Else the reference resizes with torchvision, we as Pillow does.
    if (plan.size == video.size()) BOOST_TEST(checksum(patched.rows) == clip.checksum);
    if (plan.size == video.size()) BOOST_TEST(different == 0u);
    BOOST_TEST(off_by_more * 100 <= patched.rows.size());
  }
}

BOOST_AUTO_TEST_SUITE(vision_video_patches)

BOOST_AUTO_TEST_CASE(clips_of_a_formula_equal_the_reference) {
  int count = 0, unresized = 0;
  for (const clips::Clip& clip : clips::read()) {
    if (!clip.file.empty()) continue;
    const vlm::Video video = clips::formula(clip);
    clips::check(clip, video);
    unresized += vlm::plan_video(video, clip.settings).size == video.size();
    ++count;
  }
  BOOST_TEST(count == 7);
  BOOST_TEST(unresized >= 3);
}

BOOST_AUTO_TEST_CASE(the_same_bits_for_any_number_of_threads) {
  for (const clips::Clip& clip : clips::read()) {
    if (clip.name != "odd" && clip.name != "shrinks") continue;
    const auto rows = vlm::patchify(clips::formula(clip), clip.settings).rows;
    for (const int threads : {1, 2, 7}) {
      vlm::Queue<vlm::Cpu> queue(threads);
      BOOST_TEST((vlm::patchify(clips::formula(clip), clip.settings, queue).rows == rows));
    }
  }
}

BOOST_AUTO_TEST_CASE(frames_are_pulled_once_and_in_order) {
  std::vector<vlm::Index> pulled;
  const vlm::Video video(9, {16, 16}, vlm::FrameClock::rate(4), [&](vlm::Index frame) {
    pulled.push_back(frame);
    return vlm::Image(16, 16);
  });
  vlm::VideoSettings settings;
  settings.patches.patch_size = 4;
  settings.sampling.rule = vlm::SampleCount{5};
  vlm::patchify(video, settings);
  BOOST_TEST((pulled == std::vector<vlm::Index>{0, 2, 4, 6, 8}));
  pulled.clear();
  settings.sampling.rule = vlm::SampleCount{21};
  BOOST_TEST(vlm::patchify(video, settings).grid.frames == 11);
  BOOST_TEST((pulled == std::vector<vlm::Index>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
}

BOOST_AUTO_TEST_CASE(two_frames_are_no_two_pictures) {
  // A pair of frames is one temporal step, each in its slice; a still image fills both slices with itself.
  vlm::Image bright(8, 8);
  for (std::uint8_t& value : bright.pixels) value = 255;
  vlm::VideoSettings settings;
  settings.patches.patch_size = 4;
  settings.patches.budget = {1, 4096};
  const vlm::Video video =
      vlm::Video::from_frames(std::vector{vlm::Image(8, 8), bright}, vlm::FrameClock::rate(2));
  const vlm::PatchedVideo patched = vlm::patchify(video, settings);
  BOOST_TEST((patched.grid == vlm::Grid{1, 2, 2}));
  BOOST_TEST(patched.rows[0] == -1.0f);
  BOOST_TEST(patched.rows[16] == 1.0f);
  BOOST_TEST(patched.times.front() == 0.25);
}

BOOST_AUTO_TEST_CASE(the_cost_is_known_before_a_frame_is_made) {
  const vlm::Video video(300, {1080, 1920}, vlm::FrameClock::rate(30),
                         [](vlm::Index) -> vlm::Image { throw std::runtime_error("a frame was made"); });
  const vlm::VideoPlan plan = vlm::plan_video(video, {});
  BOOST_TEST((plan.grid == vlm::Grid{10, 52, 92}));
  BOOST_TEST(plan.grid.visual_tokens(2) == 11960);
  BOOST_CHECK_THROW(vlm::patchify(video, {}), std::runtime_error);
}

BOOST_AUTO_TEST_SUITE_END()
