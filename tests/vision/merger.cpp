#include <vlm/vision/merger.hpp>

#include <boost/test/unit_test.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

constexpr MergerSizes sizes{.features = 6, .outputs = 10};

template <class L>
std::string names(L layer) {
  std::string text;
  walk(layer, "", [&](const std::string& name, auto& param) {
    text += name + " " + shape_text(param.stored_shape()) + "\n";
  });
  return text;
}

// Adds one to every value of the first patch of each window: a norm over the patch does not see it, a norm
// over the window does.
template <class L>
bool sees_a_brighter_patch(const L& layer) {
  detail::LayerProbe<L> probe(layer, {.rows = 8, .features = 6});
  Runtime<Cpu> runtime(1);
  probe.objective(runtime);
  const std::vector<float> before = probe.y;
  for (std::size_t i = 0; i < 6; ++i) probe.tensors.front().value[i] += 1;
  probe.objective(runtime);
  float largest = 0;
  for (std::size_t i = 0; i < before.size(); ++i)
    largest = std::max(largest, std::abs(before[i] - probe.y[i]));
  return largest > 1e-3f;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_merger)

BOOST_AUTO_TEST_CASE(gradients) {
  const GradientSettings settings{.rows = 12, .features = 6, .elements = 8};
  check_layer(MainMerger<TrainedEnv>(sizes), MainMerger<PassingEnv>(sizes), settings, 4);
  check_layer(TapMerger<TrainedEnv>(sizes), TapMerger<PassingEnv>(sizes), settings, 4);
}

BOOST_AUTO_TEST_CASE(four_patches_become_one_visual_token) {
  BOOST_TEST(MainMerger<InertEnv>(sizes).out_shape(12)[0] == 3);
  BOOST_TEST(MainMerger<InertEnv>(sizes).out_shape(12)[1] == 10);
  BOOST_TEST(TapMerger<InertEnv>(sizes).out_shape(12)[0] == 3);
}

BOOST_AUTO_TEST_CASE(the_main_merger_norms_a_patch_and_a_tap_the_window) {
  BOOST_TEST(!sees_a_brighter_patch(MainMerger<PassingEnv>(sizes)));
  BOOST_TEST(sees_a_brighter_patch(TapMerger<PassingEnv>(sizes)));
}

BOOST_AUTO_TEST_CASE(tensors_are_named_as_in_the_files) {
  const std::string products =
      "linear_fc1.weight [24, 24]\n"
      "linear_fc1.bias [24]\n"
      "linear_fc2.weight [10, 24]\n"
      "linear_fc2.bias [10]\n";
  BOOST_TEST(names(MainMerger<InertEnv>(sizes)) == "norm.weight [6]\nnorm.bias [6]\n" + products);
  BOOST_TEST(names(TapMerger<InertEnv>(sizes)) == "norm.weight [24]\nnorm.bias [24]\n" + products);
}

BOOST_AUTO_TEST_SUITE_END()
