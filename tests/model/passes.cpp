#include <vlm/model/passes.hpp>

#include <boost/test/unit_test.hpp>

#include "model/samples.hpp"

using namespace vlm;

namespace {

using Net = Model<Qwen3VL, Cpu, F32, Trainable<part::All>>;

}  // namespace

BOOST_AUTO_TEST_SUITE(model_passes)

BOOST_AUTO_TEST_CASE(sizes_of_a_batch) {
  const ModelConfig config = golden::Case("dense_04_image_video").config;
  const Batch batch = golden::pack(config, {golden::draw_sample(config, ".i.", {{1, 4, 6}}, 1),
                                            golden::draw_sample(config, ".v", {{2, 2, 4}}, 2)});
  const BatchSizes sizes = BatchSizes::of(batch);
  BOOST_TEST(sizes.tokens == 4u + 6 + 7 + 4);
  BOOST_TEST(sizes.patches == 40u);
  BOOST_TEST(sizes.samples == 3u);
  BOOST_TEST(sizes.segments == 4u);
  BOOST_TEST(sizes.rows == batch.targets.size());

  BOOST_TEST(sizes.covers(sizes));
  BatchSizes more = sizes;
  ++more.patches;
  BOOST_TEST((more.covers(sizes) && !sizes.covers(more)));
  more.tokens = 1;
  BOOST_TEST(!more.covers(sizes));
  BOOST_TEST((more.merged(sizes).tokens == sizes.tokens && more.merged(sizes).patches == more.patches));

  const Batch outline = sizes.outline(4);
  BOOST_TEST(BatchSizes::of(outline).covers(sizes));
  BOOST_TEST(sizes.covers(BatchSizes::of(outline)));
  BOOST_TEST(outline.visual_places.size() == batch.visual_places.size());
  BOOST_TEST(BatchSizes{}.outline(4).sample_count() == 0);
}

// Both passes are what their steps, written out, give.
BOOST_AUTO_TEST_CASE(passes_give_the_loss_the_gradients_and_the_logits) {
  const golden::Case test("dense_04_image_video");
  golden::Run<Qwen3VL> run(test, 5), whole(test, 5);
  Batch batch = golden::pack(test.config, {golden::draw_sample(test.config, ".i...", {{1, 4, 6}}, 1),
                                           golden::draw_sample(test.config, "....", {}, 2)});
  for (float& weight : batch.weights) weight = 1.0f / static_cast<float>(batch.weights.size());
  Runtime<Cpu> s(2);
  {
    Runtime<Cpu> steps(2);
    whole.forward_and_backward(steps, batch);
  }

  Net::RopeTables tables;
  double loss = 0;
  const auto pass = [&] { run_training_pass(s, run.net, batch, tables, loss); };
  s.plan(pass);
  pass();
  BOOST_TEST(loss == whole.loss);
  for (std::size_t i = 0; i < run.net.parameters().size(); ++i)
    BOOST_TEST(golden::same_bits(run.net.parameters()[i].gradient, whole.net.parameters()[i].gradient));

  double alone = 0;
  const auto score = [&] { run_loss_pass(s, run.net, batch, tables, alone); };
  s.plan(score);
  score();
  BOOST_TEST(alone == loss);
  BOOST_TEST(s.keeping());
  for (std::size_t i = 0; i < run.net.parameters().size(); ++i)
    BOOST_TEST(golden::same_bits(run.net.parameters()[i].gradient, whole.net.parameters()[i].gradient));

  const std::vector<std::int32_t> at = {3, batch.offsets.back() - 1};
  const auto vocabulary = static_cast<std::size_t>(test.config.text.vocabulary);
  s.keep_activations(false);
  const auto answer = [&] {
    run_logits_pass(s, run.net, batch, run.net.text_sequences(batch, tables), at, [&](Net::Rows logits) {
      if (s.measuring()) return;
      BOOST_TEST(logits.rows() == 2);
      for (std::size_t i = 0; i < at.size(); ++i)
        BOOST_TEST(golden::same_bits(
            {logits.row(static_cast<Index>(i)), vocabulary},
            {whole.logits.data() + static_cast<std::size_t>(at[i]) * vocabulary, vocabulary}));
    });
  };
  s.plan(answer);
  answer();
}

BOOST_AUTO_TEST_SUITE_END()
