#include <vlm/model/network.hpp>

#include <boost/test/unit_test.hpp>
#include <string>
#include <type_traits>
#include <vector>

#if !VLM_COMPILED
#include <vlm/io/json_definitions.hpp>
#endif

using namespace vlm;

namespace {

using Frozen = Env<Cpu, F32, Inert>;
using Learns = Env<Cpu, F32, Trained>;

template <class Net>
std::vector<std::string> names(Net& net, bool only_trained = false) {
  std::vector<std::string> list;
  net.walk_parameters([&](const std::string& name, auto& param) {
    if (!only_trained || std::remove_reference_t<decltype(param)>::trained) list.push_back(name);
  });
  return list;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_network)

// Tower, mergers, decoder, head; a tied head is no parameter of its own.
BOOST_AUTO_TEST_CASE(parameters_in_their_order) {
  ModelConfig config = ModelConfig::load("tests/toy/start");
  for (const bool tied : {false, true}) {
    config.tied = tied;
    Network<Qwen3VL, Frozen, Frozen, Frozen, Frozen> net(config);
    const std::vector<std::string> list = names(net);
    BOOST_TEST(list.front() == "model.visual.patch_embed.proj.weight");
    BOOST_TEST(list.back() == (tied ? "model.language_model.norm.weight" : "lm_head.weight"));
    BOOST_TEST(list.size() == (tied ? 98u : 99u));
    BOOST_TEST(names(net, true).empty());
  }
}

// Each part has an environment of its own, and as many tap mergers as the configuration has taps.
BOOST_AUTO_TEST_CASE(parts_learn_by_their_environment) {
  ModelConfig config = ModelConfig::load("tests/toy/start");
  config.vision.taps = {1};
  Network<Qwen3VL, Frozen, Learns, Frozen, Frozen> net(config);
  for (const std::string& name : names(net, true))
    BOOST_TEST((name.starts_with("model.visual.merger.") ||
                name.starts_with("model.visual.deepstack_merger_list.0.")));
  BOOST_TEST(names(net, true).size() == 12u);
}

BOOST_AUTO_TEST_SUITE_END()
