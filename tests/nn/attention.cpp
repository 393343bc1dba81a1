#include <vlm/nn/attention.hpp>

#include <boost/test/unit_test.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

void check_heads(Index heads, Index kv_heads, Index head_dim, const std::vector<std::int32_t>& borders) {
  BOOST_TEST_CONTEXT(heads << " heads, " << kv_heads << " key/value heads of " << head_dim) {
    const AttentionSizes sizes{.features = 12, .heads = heads, .kv_heads = kv_heads, .head_dim = head_dim};
    const Packed packed(borders, head_dim);
    check_layer(Attention<TrainedEnv>(sizes), Attention<PassingEnv>(sizes),
                {.rows = borders.back(), .features = 12, .sequences = packed.sequences(true), .elements = 8});
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_attention)

BOOST_AUTO_TEST_CASE(grouped_causal_gradients) {
  check_heads(1, 1, 8, {0, 6});
  check_heads(2, 2, 8, {0, 3, 4, 9});
  check_heads(4, 2, 16, {0, 5, 5, 7});
  check_heads(6, 2, 8, {0, 1, 2, 11});
}

BOOST_AUTO_TEST_CASE(fused_full_gradients) {
  for (const std::vector<std::int32_t>& borders : {std::vector<std::int32_t>{0, 6}, {0, 4, 5, 9}}) {
    const AttentionSizes sizes{.features = 24, .heads = 3, .kv_heads = 3, .head_dim = 8};
    const Packed packed(borders, 8);
    check_layer(
        FusedAttention<TrainedEnv>(sizes), FusedAttention<PassingEnv>(sizes),
        {.rows = borders.back(), .features = 24, .sequences = packed.sequences(false), .elements = 8});
  }
}

// Packed sequences do not see each other, and a row does not see those after it.
BOOST_AUTO_TEST_CASE(a_row_depends_on_its_own_past_only) {
  const AttentionSizes sizes{.features = 12, .heads = 4, .kv_heads = 2, .head_dim = 8};
  const Packed packed({0, 3, 8}, 8);
  const GradientSettings settings{.rows = 8, .features = 12, .sequences = packed.sequences(true)};
  const auto rows_changed_by = [&](Index changed) {
    detail::LayerProbe<Attention<PassingEnv>> probe(Attention<PassingEnv>(sizes), settings);
    Runtime<Cpu> runtime(2);
    probe.objective(runtime);
    const std::vector<float> before = probe.y;
    probe.tensors.front().value[static_cast<std::size_t>(changed * 12 + 5)] += 1;
    probe.objective(runtime);
    std::string rows;
    for (std::size_t i = 0; i < 8; ++i)
      rows += std::memcmp(&before[i * 12], &probe.y[i * 12], 12 * sizeof(float)) == 0 ? '-' : 'x';
    return rows;
  };
  BOOST_TEST(rows_changed_by(0) == "xxx-----");
  BOOST_TEST(rows_changed_by(2) == "--x-----");
  BOOST_TEST(rows_changed_by(3) == "---xxxxx");
  BOOST_TEST(rows_changed_by(7) == "-------x");
}

BOOST_AUTO_TEST_SUITE_END()
