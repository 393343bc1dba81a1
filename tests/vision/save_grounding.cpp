// An answer goes back onto its picture.
#include <boost/test/unit_test.hpp>

#include <string>

#include <vlm/io/json_definitions.hpp>
#include <vlm/vision/load_image.hpp>
#include <vlm/vision/save_grounding.hpp>

#include "message_of.hpp"
#include "temporary_folder.hpp"

BOOST_AUTO_TEST_SUITE(vision_save_grounding)

BOOST_AUTO_TEST_CASE(an_answer_is_drawn_and_saved) {
  const TemporaryFolder folder;
  const std::string path = folder.path + "/answer.png";
  const std::string answer = "```json\n[{\"bbox_2d\": [100, 500, 900, 1000], \"label\": \"cat\"}]\n```";
  const vlm::Image picture(60, 80);
#if VLM_HAS_IMAGE
  const vlm::Grounding found = vlm::save_grounding(path, picture, answer);
  BOOST_TEST((found.boxes == std::vector<vlm::Box>{{8, 30, 72, 60, "cat"}}));
  vlm::Image drawn = picture;
  vlm::draw(drawn, found);
  BOOST_TEST((drawn != picture));
  BOOST_TEST((vlm::load_image(path) == drawn));
  BOOST_TEST(vlm::save_grounding(path, picture, "I see none.").empty());
  BOOST_TEST((vlm::load_image(path) == picture));
  BOOST_CHECK_THROW(vlm::save_grounding(folder.path + "/none/x.png", picture, answer), vlm::FileError);
#endif
  const vlm::ImageWriter kept = vlm::png_writer();
  vlm::register_png_writer(nullptr);
  const std::string message = message_of([&] { vlm::save_grounding(path, picture, answer); });
  vlm::register_png_writer(kept);
  BOOST_TEST(message == "vlm::ConfigError [image-format]\n  file      " + path +
                            "\n  expected  a program that was built with vlm::image\n"
                            "  got       one that writes no PNG\n"
                            "  try       link vlm::image, or write_ppm");
}

BOOST_AUTO_TEST_SUITE_END()
