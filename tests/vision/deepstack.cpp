#include <vlm/vision/deepstack.hpp>

#include <boost/test/unit_test.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

// A merger kind of a user's own that has nothing special for taps.
struct Plain {
  template <class E>
  struct Layer : Chain<Fold<2, 2, E>, Named<"proj", Linear<E>>> {
    explicit Layer(const MergerSizes& n)
        : Chain<Fold<2, 2, E>, Named<"proj", Linear<E>>>(
              Fold<2, 2, E>(n.features), Named<"proj", Linear<E>>(4 * n.features, n.outputs)) {}
  };
};

template <class Kind>
std::vector<std::string> names(Index taps) {
  Mergers<InertEnv, Kind> mergers({.features = 6, .outputs = 10}, taps);
  std::vector<std::string> list;
  walk(mergers, "model.visual", [&](const std::string& name, auto&) { list.push_back(name); });
  return list;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_deepstack)

BOOST_AUTO_TEST_CASE(each_tap_has_a_merger_of_its_own) {
  const std::vector<std::string> list = names<MLP2>(3);
  BOOST_TEST(list.size() == 4u * 6u);
  BOOST_TEST(list[0] == "model.visual.merger.norm.weight");
  BOOST_TEST(list[6] == "model.visual.deepstack_merger_list.0.norm.weight");
  BOOST_TEST(list[23] == "model.visual.deepstack_merger_list.2.linear_fc2.bias");
}

BOOST_AUTO_TEST_CASE(without_taps_the_main_merger_is_all) {
  BOOST_TEST(names<MLP2>(0).size() == 6u);
  BOOST_TEST(DeepStack<0>::taps == 0);
  BOOST_TEST(DeepStack<4>::taps == 4);
}

BOOST_AUTO_TEST_CASE(a_kind_without_a_tap_layer_is_used_for_both) {
  using Both = Mergers<TrainedEnv, Plain>;
  static_assert(std::is_same_v<Both::Main, Both::Tap>);
  static_assert(std::is_same_v<Mergers<TrainedEnv, MLP2>::Tap, TapMerger<TrainedEnv>>);
  BOOST_TEST(names<Plain>(1) ==
             (std::vector<std::string>{"model.visual.merger.proj.weight",
                                       "model.visual.deepstack_merger_list.0.proj.weight"}));
  require_gradients(Plain::Layer<TrainedEnv>({.features = 6, .outputs = 10}), {.rows = 8, .features = 6});
}

BOOST_AUTO_TEST_SUITE_END()
