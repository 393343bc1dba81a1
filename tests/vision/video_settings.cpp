// The size of frames against the reference's, and video_preprocessor_config.json.
#include <boost/test/unit_test.hpp>

#include <string>
#include <variant>

#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>
#include <vlm/vision/video_settings.hpp>

#include "message_of.hpp"
#include "temporary_folder.hpp"

namespace {

constexpr const char* released =
    R"({"size": {"longest_edge": 25165824, "shortest_edge": 4096}, "patch_size": 16,
  "temporal_patch_size": 2, "merge_size": 2, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
  "video_processor_type": "Qwen3VLVideoProcessor"})";

vlm::VideoSettings read(const std::string& config) {
  return vlm::VideoSettings::from_json(vlm::parse_json(config, "video_preprocessor_config.json"));
}

std::string with(std::string config, const std::string& more) {
  return config.replace(0, 1, "{" + more + ", ");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_video_settings)

BOOST_AUTO_TEST_CASE(sizes_of_the_released_settings) {
  const vlm::VideoSettings settings;
  BOOST_TEST((vlm::smart_resize(20, 1080, 1920, settings) == vlm::ImageSize{832, 1472}));
  BOOST_TEST((vlm::smart_resize(4, 1080, 1920, settings) == vlm::ImageSize{1088, 1920}));
  BOOST_TEST((vlm::smart_resize(46, 720, 1280, settings) == vlm::ImageSize{544, 960}));
  BOOST_TEST((vlm::smart_resize(120, 480, 854, settings) == vlm::ImageSize{320, 608}));
  BOOST_TEST((vlm::smart_resize(768, 720, 1280, settings) == vlm::ImageSize{128, 224}));
}

BOOST_AUTO_TEST_CASE(every_size_of_the_reference_table) {
  const std::string path = "tests/golden/video/clips.json";
  const vlm::Json table = vlm::parse_json(vlm::read_file(path), path).at("sizes");
  BOOST_TEST(table.items().size() == 120u);
  int refused = 0;
  for (const vlm::Json& row : table.items()) {
    vlm::VideoSettings settings;
    settings.patches.budget = {row.at(3).integer(), row.at(4).integer()};
    settings.cap_pixels_per_frame = row.at(5).integer() == 1;
    vlm::ImageSize size;
    try {
      size = vlm::smart_resize(row.at(0).integer(), row.at(1).integer(), row.at(2).integer(), settings);
    } catch (const vlm::DataError& error) {
      BOOST_TEST(error.id() == "video-aspect");
      ++refused;
    }
    BOOST_TEST_CONTEXT(row.path()) {
      BOOST_TEST(size.height == row.at(6).integer());
      BOOST_TEST(size.width == row.at(7).integer());
    }
  }
  BOOST_TEST(refused > 0);
}

BOOST_AUTO_TEST_CASE(refused_clips) {
  BOOST_TEST(message_of([] { vlm::smart_resize(1, 64, 64, vlm::VideoSettings{}); }) ==
             "vlm::DataError [video-frames]\n  expected  2 to 131070 sampled frames\n  got       1\n"
             "  try       hand a single frame over as an image");
  BOOST_TEST(message_of([] { vlm::smart_resize(4, 40, 8041, vlm::VideoSettings{}); }) ==
             "vlm::DataError [video-aspect]\n  expected  an aspect ratio of at most 200\n"
             "  got       height 40, width 8041\n  try       crop the frames");
  BOOST_CHECK_THROW(vlm::smart_resize(4, 0, 8, vlm::VideoSettings{}), vlm::DataError);
}

BOOST_AUTO_TEST_CASE(settings_of_the_released_models) {
  BOOST_TEST((read(released) == vlm::VideoSettings{}));
  BOOST_TEST((read(with(released, R"("fps": 2, "min_frames": 4, "max_frames": 768, "do_sample_frames": true,
    "num_frames": null, "cap_pixels_per_frame": null)")) == vlm::VideoSettings{}));
  BOOST_TEST((read(R"({"image_processor": {}, "video_processor": )" + std::string(released) + "}") ==
              vlm::VideoSettings{}));
}

BOOST_AUTO_TEST_CASE(settings_in_their_spellings) {
  const vlm::VideoSettings settings = read(with(released, R"("min_pixels": 100, "max_pixels": 2000,
    "fps": 0.5, "min_frames": 2, "max_frames": 9, "cap_pixels_per_frame": true, "max_video_tokens": 5)"));
  BOOST_TEST((settings.patches.budget == vlm::PixelBudget{100, 2000}));
  BOOST_TEST((settings.sampling == vlm::FrameSampling{vlm::SampleRate{0.5}, 2, 9}));
  BOOST_TEST(settings.cap_pixels_per_frame);
  BOOST_TEST(settings.max_video_tokens == 5);
  const auto rule = [](const char* more) { return read(with(released, more)).sampling.rule; };
  BOOST_TEST(std::get<vlm::SampleCount>(rule(R"("fps": null, "num_frames": 6)")).frames == 6);
  BOOST_TEST(std::holds_alternative<vlm::SampleRange>(rule(R"("fps": null)")));
  BOOST_TEST(std::holds_alternative<vlm::SampleNothing>(rule(R"("do_sample_frames": false)")));
}

BOOST_AUTO_TEST_CASE(settings_are_read_back) {
  vlm::VideoSettings settings;
  settings.patches.budget = {10, 5000};
  settings.cap_pixels_per_frame = true;
  for (const decltype(vlm::FrameSampling::rule)& rule :
       {decltype(vlm::FrameSampling::rule)(vlm::SampleRate{1.5}),
        {vlm::SampleCount{3}},
        {vlm::SampleRange{}},
        {vlm::SampleNothing{}}}) {
    settings.sampling = {rule, 3, 30};
    BOOST_TEST((read(vlm::write_json(settings.to_json(), 2)) == settings));
  }
}

BOOST_AUTO_TEST_CASE(settings_of_a_folder) {
  const TemporaryFolder folder;
  vlm::ImageSettings images;
  images.patch_size = 4;
  vlm::VideoSettings expected;
  expected.patches.patch_size = 4;
  BOOST_TEST((vlm::VideoSettings::load(folder.path, images) == expected));
  const std::string slow = with(released, R"("fps": 1)");
  vlm::write_file_atomically(folder.path + "/processor_config.json", R"({"image_processor": {}})");
  BOOST_TEST((vlm::VideoSettings::load(folder.path, images) == expected));
  vlm::write_file_atomically(folder.path + "/processor_config.json", R"({"video_processor": )" + slow + "}");
  BOOST_TEST((vlm::VideoSettings::load(folder.path, images) == read(slow)));
  vlm::write_file_atomically(folder.path + "/video_preprocessor_config.json", released);
  BOOST_TEST((vlm::VideoSettings::load(folder.path, images) == vlm::VideoSettings{}));
}

BOOST_AUTO_TEST_CASE(wrong_settings) {
  const auto message = [](const char* more) { return message_of([&] { read(with(released, more)); }); };
  BOOST_TEST(message(R"("fps": 2, "num_frames": 6)") ==
             "vlm::ConfigError [video-sampling]\n  file      video_preprocessor_config.json\n"
             "  field     num_frames\n  expected  fps or num_frames, and null for the other\n  got       both"
             "\n  try       null for one of them");
  BOOST_TEST(message(R"("max_video_tokens": 0)") ==
             "vlm::ConfigError [video-settings]\n  field     max_video_tokens\n  expected  1 to 268435456\n"
             "  got       0"
             "\n  try       video_preprocessor_config.json of the published model");
  BOOST_TEST(message(R"("fps": "fast")").find("[json-type]") != std::string::npos);
  BOOST_TEST(message(R"("do_resize": false)").find("do_resize") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
