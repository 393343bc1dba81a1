#include <vlm/model/picture_settings.hpp>

#include <boost/test/unit_test.hpp>

#include "message_of.hpp"

using namespace vlm;

BOOST_AUTO_TEST_SUITE(model_picture_settings)

BOOST_AUTO_TEST_CASE(patches_that_the_tower_cannot_take_are_refused) {
  VisionSizes vision;
  vision.patch_size = 16;
  vision.temporal_patch_size = 2;
  vision.merge_size = 2;
  vision.channels = 3;
  ImageSettings images;
  images.patch_size = 16;
  const VideoSettings videos = VideoSettings::for_images(images);
  check_picture_settings(vision, images, videos);
  images.patch_size = 14;
  BOOST_TEST(message_of([&] { check_picture_settings(vision, images, videos); }) ==
             "vlm::ConfigError [picture-settings]\n"
             "  field     patch_size of preprocessor_config.json\n"
             "  expected  16, as in vision_config of config.json\n"
             "  got       14\n"
             "  try       take config.json and preprocessor_config.json from one place");
  images = videos.patches;
  VideoSettings other = videos;
  other.patches.merge_size = 4;
  BOOST_TEST(message_of([&] {
               check_picture_settings(vision, images, other);
             }).find("merge_size of video_preprocessor_config.json") != std::string::npos);
  other = videos;
  other.patches.temporal_patch_size = 1;
  BOOST_CHECK_THROW(check_picture_settings(vision, images, other), ConfigError);
  vision.channels = 1;
  BOOST_CHECK_THROW(check_picture_settings(vision, images, videos), ConfigError);
}

BOOST_AUTO_TEST_SUITE_END()
