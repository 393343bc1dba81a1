#include <boost/test/unit_test.hpp>
#include <string>
#include <type_traits>

#include <vlm/model/with_model.hpp>

#include "model/golden.hpp"
#include "temporary_folder.hpp"

using namespace vlm;

namespace {

struct Found {
  int taps;
  bool sparse;
  std::size_t parameters;
  friend bool operator==(const Found&, const Found&) = default;
};

template <class Spec, class... Rest>
Found describe(const Model<Spec, Rest...>& model) {
  static_assert(!Model<Spec, Rest...>::trains_vision, "nothing is trained");
  return {Spec::taps, Spec::sparse, model.parameters().size()};
}

// The case's configuration with so many taps.
ModelConfig with_taps(const char* folder, int taps) {
  Json config = parse_json(golden::Case(folder).config.text_of_file, "config.json");
  Json vision = config.at("vision_config"), list = Json::array();
  for (int tap = 0; tap < taps; ++tap) list.push_back(tap);
  vision.set("deepstack_visual_indexes", list);
  config.set("vision_config", vision);
  return ModelConfig::parse(write_json(config, 2), "config.json");
}

// Saves a new model of this type, and finds it again.
template <class FeedForward, int Taps>
void check_found(const char* folder) {
  using Spec =
      Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<Taps>>, Decoder<Qwen3, FeedForward>, Rope<InterleavedM>>;
  const TemporaryFolder place;
  const auto made = Model<Spec, Cpu>::make(with_taps(folder, Taps), 1);
  made.save(place.path);
  Found expected{Taps, FeedForward::sparse, 0};
  expected.parameters = made.parameters().size();
  BOOST_TEST((with_model(place.path, [](const auto& model) { return describe(model); }) == expected));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_with_model)

BOOST_AUTO_TEST_CASE(the_type_follows_the_configuration) {
  check_found<Dense, 0>("dense_01_image");
  check_found<Dense, 1>("dense_01_image");
  check_found<Dense, 2>("dense_00_text");
  check_found<Dense, 3>("dense_00_text");
  check_found<MoE, 0>("moe_01_image");
  check_found<MoE, 1>("moe_02_two_images");
  check_found<MoE, 2>("moe_02_two_images");
  check_found<MoE, 3>("moe_01_image");
}

BOOST_AUTO_TEST_CASE(other_numbers_of_taps_are_refused) {
  Json config = parse_json(golden::Case("dense_02_two_images").config.text_of_file, "config.json");
  Json vision = config.at("vision_config");
  vision.set("deepstack_visual_indexes", Json::array({0, 1, 2, 3}));
  config.set("vision_config", vision);
  const TemporaryFolder place;
  write_file_atomically(place.path + "/config.json", write_json(config, 2));
  try {
    with_model(place.path, [](const auto&) { return 0; });
    BOOST_FAIL("no error");
  } catch (const ConfigError& error) {
    BOOST_TEST(std::string(error.what()) ==
               "vlm::ConfigError [config-type]\n"
               "  file      " +
                   place.path +
                   "/config.json\n"
                   "  at        vision_config.deepstack_visual_indexes\n"
                   "  expected  at most 3 taps\n"
                   "  got       4\n"
                   "  try       a program that names the type: Merger<MLP2, DeepStack<4>>");
  }
}

BOOST_AUTO_TEST_CASE(a_missing_folder_is_a_file_error) {
  BOOST_CHECK_THROW(with_model("/no/such/folder", [](const auto&) { return 0; }), FileError);
}

BOOST_AUTO_TEST_SUITE_END()
