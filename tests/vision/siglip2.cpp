#include <vlm/vision/siglip2.hpp>

#include <boost/test/unit_test.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

VisionSizes sizes() {
  VisionSizes n;
  n.depth = 3;
  n.features = 24;
  n.intermediate = 10;
  n.heads = 3;
  n.patch_size = 2;
  n.positions = 9;
  n.out_features = 12;
  n.taps = {0, 2};
  return n;
}

constexpr Index patches = 12;

// The tower as a layer of fixed pixels, so that its parameters can be checked; its own input is not used.
template <class E_>
struct Tower {
  using Environment = E_;
  using E = E_;
  using Saved = typename SigLIP2Encoder<E>::Saved;
  SigLIP2Encoder<E> encoder{sizes()};
  std::vector<float> pixels, weights;
  std::vector<std::int32_t> corners;

  Tower() {
    for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(patches * 24); ++i)
      pixels.push_back(2 * Random(4, "pixels").uniform(i) - 1);
    for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(patches * 4); ++i) {
      corners.push_back(static_cast<std::int32_t>(Random(4, "corners").below(i, 9)));
      weights.push_back(Random(4, "weights").uniform(i));
    }
  }
  VisionInputs<Cpu, float> inputs() const {
    return {.patches = {pixels.data(), Shape<2>{{patches, 24}}},
            .corners = {corners.data(), Shape<2>{{patches, 4}}},
            .weights = {weights.data(), Shape<2>{{patches, 4}}}};
  }
  Shape<2> out_shape(Index) const { return {{patches, 24}}; }
  void forward(On<E> s, In<E>, Out<E> y, Saved& saved) const {
    encoder.forward(s, inputs(), y, saved, [](Index, Out<E>) {});
  }
  template <class Dx>
  void backward(On<E> s, const Saved& saved, In<E> dy, Dx dx) const {
    encoder.backward(s, inputs(), saved, dy, [](Index, Out<E>) {});
    if (!s.measuring()) dx(0, 0) = 0;
  }
  template <class F>
  void visit(F&& f) {
    encoder.visit(f);
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(vision_siglip2)

BOOST_AUTO_TEST_CASE(block_gradients) {
  const Packed packed({0, 8, 12}, 8);
  check_layer(VisionBlock<TrainedEnv>(sizes()), VisionBlock<PassingEnv>(sizes()),
              {.rows = 12, .features = 24, .sequences = packed.sequences(false), .elements = 4});
}

BOOST_AUTO_TEST_CASE(tower_gradients) {
  const Packed packed({0, 8, 12}, 8);
  const GradientSettings settings{
      .rows = 1, .features = 1, .sequences = packed.sequences(false), .elements = 4};
  const GradientReport report = check_gradients(Tower<TrainedEnv>(), settings);
  BOOST_TEST(report.largest_error <= settings.tolerance, report.tensor);
  // All 39 parameters of three blocks, the patch embedding and the position table, and the input.
  BOOST_TEST(report.compared == 1 + 4 * 39);
  check_same(differentiate(Tower<Env<Cpu, F32, Trained, BlockInputs>>(), settings),
             differentiate(Tower<TrainedEnv>(), settings));
}

// Taps read the rows after a block, in both modes of keeping.
BOOST_AUTO_TEST_CASE(the_hook_sees_every_block) {
  const Packed packed({0, 8, 12}, 8);
  std::vector<float> rows[2];
  for (const bool keeping : {false, true}) {
    Tower<TrainedEnv> tower;
    std::list<std::vector<float>> memory;
    walk(tower, "", [&](const std::string& name, auto& param) {
      Index count = 1;
      for (Index size : param.stored_shape()) count *= size;
      std::vector<float>& values = memory.emplace_back();
      for (Index i = 0; i < count; ++i)
        values.push_back(0.3f * Random(9, name).normal(static_cast<std::uint64_t>(i)));
      param.bind(values.data(), DType::F32);
    });
    std::vector<float> y(static_cast<std::size_t>(patches * 24));
    Runtime<Cpu> runtime(2);
    runtime.keep_activations(keeping);
    runtime.sequences() = packed.sequences(false);
    std::vector<Index> seen;
    const auto pass = [&] {
      typename Tower<TrainedEnv>::Saved saved;
      tower.encoder.forward(runtime, tower.inputs(), {y.data(), Shape<2>{{patches, 24}}}, saved,
                            [&](Index block, View<float, 2, Cpu> out) {
                              if (runtime.measuring()) return;
                              seen.push_back(block);
                              rows[keeping].insert(rows[keeping].end(), out.data, out.data + out.count());
                            });
    };
    runtime.plan(pass);
    pass();
    BOOST_TEST(seen == (std::vector<Index>{0, 1, 2}));
    BOOST_TEST(same_bits(y, std::vector<float>(rows[keeping].end() - patches * 24, rows[keeping].end())));
  }
  BOOST_TEST(same_bits(rows[0], rows[1]));
}

BOOST_AUTO_TEST_CASE(tensors_are_named_as_in_the_files) {
  VisionSizes n = sizes();
  n.depth = 1;
  SigLIP2Encoder<InertEnv> encoder(n);
  std::string text;
  walk(encoder, "", [&](const std::string& name, auto& param) {
    text += name + " " + shape_text(param.stored_shape()) + "\n";
  });
  BOOST_TEST(text ==
             "patch_embed.proj.weight [24, 3, 2, 2, 2]\n"
             "patch_embed.proj.bias [24]\n"
             "pos_embed.weight [9, 24]\n"
             "blocks.0.norm1.weight [24]\n"
             "blocks.0.norm1.bias [24]\n"
             "blocks.0.attn.qkv.weight [72, 24]\n"
             "blocks.0.attn.qkv.bias [72]\n"
             "blocks.0.attn.proj.weight [24, 24]\n"
             "blocks.0.attn.proj.bias [24]\n"
             "blocks.0.norm2.weight [24]\n"
             "blocks.0.norm2.bias [24]\n"
             "blocks.0.mlp.linear_fc1.weight [10, 24]\n"
             "blocks.0.mlp.linear_fc1.bias [10]\n"
             "blocks.0.mlp.linear_fc2.weight [24, 10]\n"
             "blocks.0.mlp.linear_fc2.bias [24]\n");
}

BOOST_AUTO_TEST_SUITE_END()
