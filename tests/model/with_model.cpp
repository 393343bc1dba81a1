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

// Saves a new model of this type, and finds it again.
template <class Merging, class FeedForward>
void check_found(const char* folder, Found expected) {
  using Spec = Vlm<Encoder<SigLIP2>, Merging, Decoder<Qwen3, FeedForward>, Rope<InterleavedM>>;
  const TemporaryFolder place;
  const auto made = Model<Spec, Cpu, F32, Trainable<part::All>>::make(golden::Case(folder).config, 1);
  made.save(place.path);
  expected.parameters = made.parameters().size();
  BOOST_TEST((with_model(place.path, [](const auto& model) { return describe(model); }) == expected));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_with_model)

BOOST_AUTO_TEST_CASE(the_type_follows_the_configuration) {
  check_found<Merger<MLP2, DeepStack<1>>, Dense>("dense_01_image", {1, false, 0});
  check_found<Merger<MLP2, DeepStack<3>>, Dense>("dense_00_text", {3, false, 0});
  check_found<Merger<MLP2, DeepStack<1>>, MoE>("moe_02_two_images", {1, true, 0});
  check_found<Merger<MLP2, DeepStack<3>>, MoE>("moe_01_image", {3, true, 0});
}

BOOST_AUTO_TEST_CASE(other_numbers_of_taps_are_refused) {
  Json config = parse_json(golden::Case("dense_00_text").config.text_of_file, "config.json");
  Json vision = config.at("vision_config");
  vision.set("deepstack_visual_indexes", Json::array({0, 1}));
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
                   "  expected  1 or 3 taps\n"
                   "  got       2\n"
                   "  try       a program that names the type: Merger<MLP2, DeepStack<2>>");
  }
}

BOOST_AUTO_TEST_CASE(a_missing_folder_is_a_file_error) {
  BOOST_CHECK_THROW(with_model("/no/such/folder", [](const auto&) { return 0; }), FileError);
}

BOOST_AUTO_TEST_SUITE_END()
