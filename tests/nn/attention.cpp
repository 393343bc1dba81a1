#include <vlm/nn/attention.hpp>

#include <boost/test/unit_test.hpp>
#include <vlm/nn/parameters.hpp>
#include <vlm/ops/cpu/attention.hpp>
#include <vlm/ops/store_cells.hpp>

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

// A layer with random values, its matrices in blocks where `format` is one of them.
template <class L>
struct Formatted {
  L layer;
  LayerParameters parameters;
  std::vector<std::vector<std::byte>> blocks;

  Formatted(Runtime<Cpu>& runtime, const AttentionSizes& sizes, DType format)
      : layer(sizes), parameters(layer, 3, 0.3f) {
    walk(layer, "", [&](const std::string&, auto& param) {
      if constexpr (std::remove_cvref_t<decltype(param)>::rank == 2)
        if (is_blocks(format)) {
          const MatrixSizes matrix(param);
          const View<const float, 2, Cpu> weight(static_cast<const float*>(param.data()),
                                                 Shape<2>{{matrix.outputs, matrix.inputs}});
          blocks.emplace_back(matrix.bytes(format));
          BOOST_REQUIRE(make_blocks(runtime.queue(), weight, format, blocks.back().data()));
          param.bind(blocks.back().data(), format);
        }
    });
  }
  Formatted(const Formatted&) = delete;
  Formatted& operator=(const Formatted&) = delete;
};

std::vector<float> values_of(View<const float, 2, Cpu> rows) {
  std::vector<float> values;
  for (Index row = 0; row < rows.rows(); ++row)
    values.insert(values.end(), rows.row(row), rows.row(row) + rows.extent[1]);
  return values;
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

// Layers whose products round activations let attention do so, too: the tower's always, the decoder's over cells of bf16.
BOOST_AUTO_TEST_CASE(weights_in_blocks_ask_for_rounded_attention) {
  constexpr Index rows = 40, head_dim = 16;
  const Packed packed({0, rows}, head_dim);
  const std::int32_t key_count = rows, first_page = 0;
  Runtime<Cpu> runtime(2);
  for (const DType format : {DType::F32, DType::Bf16Blocks, DType::I8Blocks, DType::I4Blocks}) {
    const auto check = [&]<class L>(L& layer, Index features, auto&& attend) {
      std::vector<float> x, y(static_cast<std::size_t>(rows * features));
      for (std::size_t i = 0; i < y.size(); ++i) x.push_back(Random(4, "x").normal(i));
      const Shape<2> shape{{rows, features}};
      const auto pass = [&] {
        const auto given_back = runtime.scope();
        typename L::Saved saved;
        layer.forward(runtime, {x.data(), shape}, {y.data(), shape}, saved);
        const View<float, 2, Cpu> again = runtime.keep<float>(rows, saved.y.extent[1]);
        for (const bool rounded : {true, false}) {
          AttentionForward<Cpu, float> op = attend(saved);
          op.y = again;
          op.layout = detail::attention_layout(runtime.sequences(), layer.sizes);
          op.rounded = rounded;
          runtime.run(op);
          if (runtime.measuring()) continue;
          // Where no pairs are multiplied, both forms are the same.
          const bool pairs = cpu::attention::multiplies_pairs(runtime.queue().level());
          BOOST_TEST_CONTEXT(name_of(format) << (rounded ? ", rounded" : ", exact"))
          BOOST_TEST(same_bits(values_of(again), values_of(saved.y)) ==
                     (!pairs || rounded == is_blocks(format)));
        }
      };
      runtime.plan(pass);
      pass();
    };
    {
      Formatted<FusedAttention<PassingEnv>> fused(
          runtime, {.features = 32, .heads = 2, .kv_heads = 2, .head_dim = head_dim}, format);
      runtime.sequences() = packed.sequences(false);
      check(fused.layer, 32, [](const auto& saved) {
        return AttentionForward<Cpu, float>{
            .q = saved.qkv.columns(0, 32), .k = saved.qkv.columns(32, 32), .v = saved.qkv.columns(64, 32)};
      });
    }
    Formatted<Attention<PassingEnv>> grouped(
        runtime, {.features = 24, .heads = 4, .kv_heads = 2, .head_dim = head_dim}, format);
    CellPages<Cpu> pages{.format = CellFormat::BF16, .heads = 2, .head_dim = head_dim};
    std::vector<std::byte> page(pages.page_bytes(1));
    std::byte* const table[] = {page.data()};
    std::vector<std::int32_t> places;
    for (std::int32_t row = 0; row < rows; ++row) places.push_back(row);
    pages.table = {table, Shape<1>{{1}}};
    pages.first = {&first_page, Shape<1>{{1}}};
    pages.places = {places.data(), Shape<1>{{rows}}};
    runtime.sequences() = packed.sequences(true);
    runtime.sequences().key_counts = {&key_count, Shape<1>{{1}}};
    runtime.sequences().pages = pages;
    check(grouped.layer, 24,
          [&](const auto& saved) { return AttentionForward<Cpu, float>{.q = saved.q, .pages = pages}; });
  }
}

BOOST_AUTO_TEST_SUITE_END()
