#include <vlm/infer/model_identity.hpp>

#include <boost/test/unit_test.hpp>

#include "infer/tiny_chat.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

Hash128 sample_of(const std::vector<std::byte>& bytes) {
  SipHash hash;
  detail::add_sample(hash, bytes);
  return hash.finish();
}

// Of a tiny model whose configuration was changed in code.
template <class Change>
Hash128 identity_with(Change&& change) {
  ModelConfig config = tiny_config();
  change(config);
  return model_identity(TinyNet::make(config, 1));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_model_identity)

BOOST_AUTO_TEST_CASE(the_same_model_has_the_same_identity) {
  BOOST_TEST((model_identity(tiny_net()) == model_identity(tiny_net())));
  BOOST_TEST(!(model_identity(tiny_net()) == model_identity(tiny_net(2))));
}

// A little added to all numbers of one tensor, whichever it is; or the last number alone, since these tensors are small.
BOOST_AUTO_TEST_CASE(changed_weights_show) {
  using Trained = Model<TinySpec, Cpu, F32, Trainable<part::All>>;
  const auto net = Trained::make(tiny_config(), 1);
  const Hash128 before = model_identity(net);
  for (const Parameter& p : net.parameters()) {
    BOOST_TEST_CONTEXT(p.name) {
      const std::vector<float> kept(p.value.begin(), p.value.end());
      for (float& value : p.value) value += 0.001f;
      BOOST_TEST(!(model_identity(net) == before));
      std::copy(kept.begin(), kept.end(), p.value.begin());
      if (p.value.size_bytes() <= 4096) {
        p.value.back() += 1;
        BOOST_TEST(!(model_identity(net) == before));
        p.value.back() = kept.back();
      }
      BOOST_TEST((model_identity(net) == before));
    }
  }
}

BOOST_AUTO_TEST_CASE(settings_show) {
  const Hash128 before = identity_with([](ModelConfig&) {});
  BOOST_TEST(!(before == identity_with([](ModelConfig& c) { c.text.rope_theta *= 2; })));
  BOOST_TEST(!(before == identity_with([](ModelConfig& c) { c.text.norm_eps *= 2; })));
  BOOST_TEST(!(before == identity_with([](ModelConfig& c) { c.vision.norm_eps *= 2; })));
  BOOST_TEST(!(before == identity_with([](ModelConfig& c) { ++c.image_token; })));
  const Hash128 stretched = identity_with([](ModelConfig& c) { c.text.yarn = Yarn{.factor = 2}; });
  BOOST_TEST(!(before == stretched));
  BOOST_TEST(!(stretched == identity_with([](ModelConfig& c) { c.text.yarn = Yarn{.factor = 3}; })));
  BOOST_TEST(!(stretched == identity_with([](ModelConfig& c) {
                 c.text.yarn = Yarn{.factor = 2, .original_positions = 4096};
               })));
}

BOOST_AUTO_TEST_CASE(of_large_tensors_the_whole_length_is_sampled) {
  std::vector<std::byte> bytes(1000003, std::byte{7});
  const Hash128 before = sample_of(bytes);
  for (const std::size_t at :
       {std::size_t{0}, bytes.size() - 1, 63 * ((bytes.size() - 64) / 63) / 2 / 64 * 64}) {
    for (std::size_t i = at < 20000 ? 0 : at - 20000; i <= at; ++i) bytes[i] = std::byte{8};
    BOOST_TEST(!(sample_of(bytes) == before));
    bytes.assign(bytes.size(), std::byte{7});
  }
  bytes.push_back(std::byte{7});
  BOOST_TEST(!(sample_of(bytes) == before));
  // All bytes of small ones count.
  std::vector<std::byte> small(4096, std::byte{0});
  const Hash128 zeros = sample_of(small);
  for (std::size_t at = 0; at < small.size(); at += 41) {
    small[at] = std::byte{1};
    BOOST_TEST(!(sample_of(small) == zeros));
    small[at] = std::byte{0};
  }
}

BOOST_AUTO_TEST_SUITE_END()
