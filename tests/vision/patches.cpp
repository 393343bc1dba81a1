// The order of patches and of the values in them, normalisation, and preprocessor_config.json.
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <vlm/io/json.hpp>
#include <vlm/io/json_definitions.hpp>
#include <vlm/vision/patches.hpp>

namespace {

vlm::ImageSettings tiny_settings(vlm::Index patch_size) {
  vlm::ImageSettings settings;
  settings.patch_size = patch_size;
  settings.budget = {1, 4096};
  return settings;
}

constexpr const char* released = R"({"size": {"longest_edge": 16777216, "shortest_edge": 65536},
  "patch_size": 16, "temporal_patch_size": 2, "merge_size": 2, "image_mean": [0.5, 0.5, 0.5],
  "image_std": [0.5, 0.5, 0.5], "image_processor_type": "Qwen2VLImageProcessorFast"})";

std::string message_of(const std::string& config) {
  try {
    vlm::ImageSettings::from_json(vlm::parse_json(config, "preprocessor_config.json"));
  } catch (const vlm::ConfigError& error) {
    return error.what();
  }
  return "no error";
}

// The patch rows of an image that already fits the grid.
void write_patches(const vlm::Image& image, const vlm::ImageSettings& settings, float* rows) {
  vlm::Queue<vlm::Cpu> queue(1);
  vlm::RowsOfImage source(image);
  vlm::write_patches(source, settings, rows, queue);
}

std::string with(std::string config, const std::string& from, const std::string& to) {
  return config.replace(config.find(from), from.size(), to);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_patches)

BOOST_AUTO_TEST_CASE(patches_are_ordered_by_merge_window) {
  // With patches of one pixel, each row tells the place that it came from.
  const vlm::ImageSettings settings = tiny_settings(1);
  vlm::Image image(4, 6);
  for (vlm::Index y = 0; y < 4; ++y)
    for (vlm::Index x = 0; x < 6; ++x) image.at(y, x)[0] = static_cast<std::uint8_t>(10 * y + x);
  std::vector<float> rows(24 * 6);
  write_patches(image, settings, rows.data());
  const std::vector<int> expected = {0,  1,  10, 11, 2,  3,  12, 13, 4,  5,  14, 15,
                                     20, 21, 30, 31, 22, 23, 32, 33, 24, 25, 34, 35};
  std::vector<int> places;
  for (std::size_t row = 0; row < 24; ++row)
    places.push_back(static_cast<int>(rows[row * 6] * 127.5f + 127.75f));
  BOOST_TEST(places == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(values_are_ordered_channel_time_y_x) {
  const vlm::ImageSettings settings = tiny_settings(3);
  vlm::Image image(6, 6);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i);
  std::vector<float> rows(static_cast<std::size_t>(4 * settings.features()));
  write_patches(image, settings, rows.data());
  const float* last = rows.data() + 3 * settings.features();  // the patch of row 1, column 1
  for (vlm::Index c = 0; c < 3; ++c)
    for (vlm::Index time = 0; time < 2; ++time)
      for (vlm::Index y = 0; y < 3; ++y)
        for (vlm::Index x = 0; x < 3; ++x) {
          const auto level = static_cast<float>(image.at(3 + y, 3 + x)[c]);
          BOOST_TEST(last[((c * 2 + time) * 3 + y) * 3 + x] == (level - 127.5f) / 127.5f);
        }
}

BOOST_AUTO_TEST_CASE(rows_equal_the_reference_bit_by_bit) {
  // numpy: the axes [frame, time, channel, gh/2, 2, p, gw/2, 2, p] permuted to (0, 3, 6, 4, 7, 2,
  // 1, 5, 8), fp32.
  vlm::Image image(8, 12);
  for (vlm::Index y = 0; y < 8; ++y)
    for (vlm::Index x = 0; x < 12; ++x)
      for (vlm::Index c = 0; c < 3; ++c)
        image.at(y, x)[c] = static_cast<std::uint8_t>(y * 37 + x * 59 + c * 83 + y * x * 7);
  const vlm::PatchedImage patched = vlm::patchify(image, tiny_settings(2));
  BOOST_TEST((patched.grid == vlm::Grid{1, 4, 6}));
  BOOST_TEST(patched.rows.size() == 24u * 24u);
  std::vector<unsigned char> bytes(patched.rows.size() * sizeof(float));
  std::memcpy(bytes.data(), patched.rows.data(), bytes.size());
  std::uint32_t sum = 2166136261u;  // FNV-1a
  for (unsigned char byte : bytes) sum = (sum ^ byte) * 16777619u;
  BOOST_TEST(sum == 1600502705u);
}

BOOST_AUTO_TEST_CASE(each_channel_has_its_own_mean_and_deviation) {
  vlm::ImageSettings settings = tiny_settings(1);
  settings.mean = {0.0, 0.5, 1.0};
  settings.std = {1.0, 0.5, 0.25};
  vlm::Image image(2, 2);
  for (std::uint8_t& value : image.pixels) value = 255;
  std::vector<float> rows(4 * 6);
  write_patches(image, settings, rows.data());
  BOOST_TEST(rows[0] == 1.0f);
  BOOST_TEST(rows[2] == 1.0f);
  BOOST_TEST(rows[4] == 0.0f);
}

BOOST_AUTO_TEST_CASE(grids_and_tokens) {
  const vlm::ImageSettings settings;
  BOOST_TEST((vlm::image_grid(1080, 1920, settings) == vlm::Grid{1, 68, 120}));
  BOOST_TEST((vlm::image_grid(6000, 8000, settings) == vlm::Grid{1, 220, 294}));
  BOOST_TEST(vlm::image_grid(6000, 8000, settings).visual_tokens(2) == 16170);
  BOOST_TEST(vlm::image_grid(10, 1000, settings).patches() == 320);
  BOOST_TEST(settings.features() == 1536);
}

BOOST_AUTO_TEST_CASE(frames_fill_their_slices) {
  // Two frames make what their slices say, and a still image both.
  const vlm::ImageSettings settings = tiny_settings(2);
  vlm::Image image(4, 8), other(4, 8);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = static_cast<std::uint8_t>(i * 5);
    other.pixels[i] = static_cast<std::uint8_t>(200 - i);
  }
  const auto features = static_cast<std::size_t>(settings.features());
  std::vector<float> rows(8 * features, -9), still(8 * features), late(8 * features);
  vlm::Queue<vlm::Cpu> queue(1);
  vlm::RowsOfImage first(image), second(other);
  vlm::write_frame(first, {4, 8}, {0, 1}, settings, rows.data(), queue);
  vlm::write_frame(second, {4, 8}, {1, 1}, settings, rows.data(), queue);
  write_patches(image, settings, still.data());
  write_patches(other, settings, late.data());
  for (std::size_t i = 0; i < rows.size(); ++i) BOOST_TEST(rows[i] == (i / 4 % 2 == 0 ? still[i] : late[i]));
}

BOOST_AUTO_TEST_CASE(threads_and_levels_change_no_bit) {
  vlm::Image image(211, 333);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(i * i >> 3);
  for (const vlm::Index patch : {3, 8, 14, 16}) {
    vlm::ImageSettings settings = tiny_settings(patch);
    settings.budget = {90000, 100000};
    const vlm::PatchedImage expected = vlm::patchify(image, settings);
    for (const int threads : {1, 2, 5})
      for (int level = 0; level <= static_cast<int>(vlm::best_isa_level()); ++level) {
        vlm::Queue<vlm::Cpu> queue(threads, static_cast<vlm::IsaLevel>(level));
        vlm::RowsOfImage rows(image);
        const vlm::PatchedImage patched = vlm::patchify(rows, settings, queue);
        BOOST_TEST((patched.grid == expected.grid));
        BOOST_TEST((patched.rows == expected.rows));
      }
  }
}

BOOST_AUTO_TEST_CASE(unfitting_frames) {
  std::vector<float> rows(4096);
  const vlm::Image image(8, 6);
  const auto message = [&](vlm::ImageSize size, vlm::Slices slices) -> std::string {
    vlm::Queue<vlm::Cpu> queue(1);
    vlm::RowsOfImage source(image);
    try {
      vlm::write_frame(source, size, slices, tiny_settings(2), rows.data(), queue);
    } catch (const vlm::ShapeError& error) {
      return error.what();
    }
    return "no error";
  };
  BOOST_TEST(message({8, 6}, {0, 1}) ==
             "vlm::ShapeError [image-grid]\n  expected  sides that are multiples of 4\n  got       [8, 6]"
             "\n  try       resize the image first, to the size that smart_resize gives");
  BOOST_TEST(message({8, 8}, {1, 2}) ==
             "vlm::ShapeError [image-slices]\n  expected  slices of 2\n  got       [1, 2]"
             "\n  try       whole slices of the picture or clip");
}

BOOST_AUTO_TEST_CASE(settings_of_the_released_models) {
  const vlm::Json config = vlm::parse_json(released, "preprocessor_config.json");
  BOOST_TEST((vlm::ImageSettings::from_json(config) == vlm::ImageSettings{}));
  const std::string merged = "{\"image_processor\": " + std::string(released) + "}";
  BOOST_TEST((vlm::ImageSettings::from_json(vlm::parse_json(merged, "processor_config.json")) ==
              vlm::ImageSettings{}));
}

BOOST_AUTO_TEST_CASE(settings_are_read_back) {
  vlm::ImageSettings settings = tiny_settings(4);
  settings.mean = {0.1, 0.25, 0.7};
  const std::string text = vlm::write_json(settings.to_json(), 2);
  BOOST_TEST((vlm::ImageSettings::from_json(vlm::parse_json(text, "written")) == settings));
}

BOOST_AUTO_TEST_CASE(spellings_of_the_pixel_budget) {
  const std::string size = "\"size\": {\"longest_edge\": 16777216, \"shortest_edge\": 65536}";
  const auto budget = [&](const std::string& spelled) {
    return vlm::ImageSettings::from_json(vlm::parse_json(with(released, size, spelled), "c")).budget;
  };
  const vlm::PixelBudget expected{100, 200};
  for (const char* spelled :
       {R"("min_pixels": 100, "max_pixels": 200)", R"("size": {"min_pixels": 100, "max_pixels": 200})",
        R"("size": {"shortest_edge": 100, "longest_edge": 200, "min_pixels": 3}, "min_pixels": null)",
        R"("size": {"shortest_edge": 1, "longest_edge": 2}, "min_pixels": 100, "max_pixels": 200)"})
    BOOST_TEST((budget(spelled) == expected));
  BOOST_TEST(message_of(with(released, size, R"("size": {"shortest_edge": 100})")).find("[json-missing]") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(settings_of_a_folder) {
  const std::string folder = std::filesystem::temp_directory_path() / "vlm_test_settings";
  std::filesystem::create_directories(folder);
  const std::string other = with(released, "\"patch_size\": 16", "\"patch_size\": 14");
  vlm::write_file_atomically(folder + "/preprocessor_config.json", released);
  vlm::write_file_atomically(folder + "/processor_config.json",
                             "{\"processor_class\": \"Qwen3VLProcessor\"}");
  BOOST_TEST(vlm::ImageSettings::load(folder).patch_size == 16);
  vlm::write_file_atomically(folder + "/processor_config.json", "{\"image_processor\": " + other + "}");
  BOOST_TEST(vlm::ImageSettings::load(folder).patch_size == 14);
  std::filesystem::remove(folder + "/preprocessor_config.json");
  BOOST_TEST(vlm::ImageSettings::load(folder).patch_size == 14);
  std::filesystem::remove_all(folder);
  BOOST_CHECK_THROW(vlm::ImageSettings::load(folder), vlm::FileError);
}

BOOST_AUTO_TEST_CASE(wrong_settings) {
  BOOST_TEST(message_of(with(released, "\"merge_size\": 2", "\"merge_size\": 0")) ==
             "vlm::ConfigError [image-settings]\n"
             "  expected  patch_size, temporal_patch_size, merge_size from 1 to 1024\n  got       [16, 2, 0]"
             "\n  try       preprocessor_config.json of the published model");
  BOOST_TEST(
      message_of(with(released, "[0.5, 0.5, 0.5]", "[0.5]")) ==
      "vlm::ConfigError [image-settings]\n  file      preprocessor_config.json\n  field     image_mean\n"
      "  expected  three numbers, one per channel\n  got       1 numbers"
      "\n  try       preprocessor_config.json of the published model");
  BOOST_TEST(message_of(with(released, "\"image_std\": [0.5", "\"image_std\": [0")).find("positive") !=
             std::string::npos);
  BOOST_TEST(message_of(with(released, "\"patch_size\": 16,", "")).find("[json-missing]") !=
             std::string::npos);
  BOOST_TEST(message_of(with(released, "{", "{\"do_resize\": false, ")).find("do_resize") !=
             std::string::npos);
  BOOST_TEST(message_of(with(released, "{", "{\"resample\": 2, ")).find("resample") != std::string::npos);
  BOOST_TEST(
      message_of(with(released, "{", "{\"rescale_factor\": 0.00392156862745098, \"do_resize\": true, ")) ==
      "no error");
}

BOOST_AUTO_TEST_SUITE_END()
