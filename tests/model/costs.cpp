// What is measured without a model's memory is what training and answering then take.
#include <vlm/model/costs.hpp>

#include <boost/test/unit_test.hpp>

#include <vlm/vlm.hpp>

#include "model/samples.hpp"

using namespace vlm;

namespace {

const Work work{.samples = 2, .text_tokens = 9, .pictures = {{1, 4, 6}, {2, 2, 4}}, .answer_tokens = 5};

// The batch that `work` describes.
Batch batch_of(const ModelConfig& config) {
  std::vector<Sample> samples;
  // Each of the three groups brings its two border tokens, and each step of the clip a timestamp.
  for (std::uint64_t seed = 1; seed <= 2; ++seed)
    samples.push_back(golden::draw_sample(config, ".iv", {{1, 4, 6}, {2, 2, 4}}, seed));
  return golden::pack(config, samples);
}

template <class Spec, class Set, class Keep>
void check_training(const std::string& folder) {
  BOOST_TEST_CONTEXT(folder) {
    using Net = Model<Spec, Cpu, F32, Set, Keep>;
    const ModelConfig config = golden::Case(folder).config;
    const TrainingCosts costs = training_costs<Net>(config, work, 2);

    auto net = Net::make(config, 1);
    const Batch batch = batch_of(config);
    BOOST_REQUIRE_EQUAL(batch.token_count(), 2 * work.tokens(config));
    Runtime<Cpu> s(2);
    float balance = 0;
    s.balance() = {.coefficient = 0.01f, .loss = {&balance, Shape<1>{{1}}}};
    typename Net::RopeTables tables;
    double loss = 0;
    const auto pass = [&] { run_training_pass(s, net, batch, tables, loss); };
    const std::size_t measured = s.measure(pass);
    s.plan(pass);
    pass();
    BOOST_TEST(costs.weights == net.weight_bytes());
    BOOST_TEST(costs.gradients == net.gradient_bytes());
    BOOST_TEST(costs.optimizer == AdamWOptimizer(net.parameters(), {}).moment_bytes());
    BOOST_TEST(costs.patch_rows == batch.patches.size() * sizeof(float));
    // A batch supervises fewer rows than all that could be.
    BOOST_TEST(costs.activations >= measured);
    Batch all = batch;
    all.rows.resize(work.sizes(config).rows);
    BOOST_TEST(costs.activations == s.measure([&] { run_training_pass(s, net, all, tables, loss); }));
    BOOST_TEST(costs.total() ==
               costs.weights + costs.gradients + costs.optimizer + costs.activations + costs.patch_rows);
  }
}

std::string refusal(const Work& wrong) {
  try {
    serving_costs<Model<Qwen3VL, Cpu>>(ModelConfig::load("tests/toy/start"), wrong);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_costs)

BOOST_AUTO_TEST_CASE(training_takes_what_was_measured) {
  check_training<Qwen3VL, Trainable<part::Merger>, Everything>("dense_04_image_video");
  check_training<Qwen3VL, Trainable<part::All>, BlockInputs>("dense_04_image_video");
  check_training<Qwen3VLMoE, Trainable<part::All>, Everything>("moe_04_image_video");
}

BOOST_AUTO_TEST_CASE(answering_takes_what_was_measured) {
  using Net = Model<Qwen3VL, Cpu>;
  const ModelConfig config = golden::Case("dense_04_image_video").config;
  const ServingCosts costs = serving_costs<Net>(config, work, 2);
  BOOST_TEST(costs.cells == 2 * (9 + 6 + 4 + 4));
  KeyValueCache<Cpu> cache(config.text.layers, config.text.kv_heads * config.text.head_dim);
  const Index capacity = work.tokens(config) + work.answer_tokens - 1;
  cache.allot(std::vector<Index>{capacity, capacity});
  Sequences<Cpu> text;
  cache.describe(text);
  BOOST_TEST(costs.cells == cache.cells());
  BOOST_TEST(costs.cache ==
             static_cast<std::size_t>(text.keys.count() + text.values.count()) * sizeof(float));

  const auto net = Net::make(config, 1);
  const Batch batch = batch_of(config);
  Runtime<Cpu> s(2);
  s.keep_activations(false);
  typename Net::RopeTables tables;
  const std::vector<std::int32_t> last = {batch.offsets[1] - 1, batch.offsets[2] - 1};
  BOOST_TEST(costs.weights == net.weight_bytes());
  BOOST_TEST(costs.activations == s.measure([&] {
    run_logits_pass(s, net, batch, net.text_sequences(batch, tables), last, [](Net::Rows) {});
  }));
  BOOST_TEST(costs.total() == costs.weights + costs.cache + costs.activations + costs.patch_rows);
}

// A released model on a machine that could not hold it.
BOOST_AUTO_TEST_CASE(nothing_is_allocated_for_a_large_model) {
  const ModelConfig config = ModelConfig::load("tests/model/configs/32B.json");
  const Work request{.samples = 1, .text_tokens = 32, .pictures = {{1, 64, 64}}, .answer_tokens = 1};
  const ServingCosts costs = serving_costs<Model<Qwen3VL, Cpu>>(config, request, 1);
  BOOST_TEST(request.visual_tokens(config) == 1024);
  BOOST_TEST(costs.cells == 1056);
  BOOST_TEST(costs.cache == std::size_t{2} * 64 * 1056 * 8 * 128 * 4);
  // bf16, but for vectors and the position table.
  BOOST_TEST(costs.weights > std::size_t{66714780128});
  BOOST_TEST(costs.weights < std::size_t{66714780128} * 1001 / 1000);
}

BOOST_AUTO_TEST_CASE(frozen_parts_cost_nothing_but_their_weights) {
  const ModelConfig config = ModelConfig::load("tests/model/configs/2B.json");
  const Work step{.text_tokens = 64, .pictures = {{1, 16, 16}}};
  const auto merger = training_costs<Model<Qwen3VL, Cpu, F32, Trainable<part::Merger>>>(config, step, 1);
  const auto all = training_costs<Model<Qwen3VL, Cpu, F32, Trainable<part::All>>>(config, step, 1);
  const auto again =
      training_costs<Model<Qwen3VL, Cpu, F32, Trainable<part::All>, BlockInputs>>(config, step, 1);
  // The main merger and three tap mergers, in f32.
  const std::size_t mergers = 4 * (4096 * 4096 + 4096 + 2048 * 4096 + 2048) + 2 * 1024 + 3 * 2 * 4096;
  BOOST_TEST(merger.gradients == 4 * mergers);
  BOOST_TEST(merger.optimizer == 8 * mergers);
  BOOST_TEST(merger.weights < all.weights);
  BOOST_TEST(all.optimizer == std::size_t{8} * 2127532032);
  BOOST_TEST(again.activations < all.activations);
  BOOST_TEST(again.optimizer == all.optimizer);
}

BOOST_AUTO_TEST_CASE(work_that_cannot_be_counted_is_refused) {
  const auto text = [](const std::string& got) {
    return "vlm::ConfigError [work-size]\n  expected  1 to 2147483647 tokens and patches in all\n  got      "
           " " +
           got + "\n  try       fewer samples, pictures or tokens at once";
  };
  BOOST_TEST(refusal({}) == text("1 samples of 0 text tokens, 0 pictures and 0 answer tokens"));
  BOOST_TEST(refusal({.samples = -1, .text_tokens = 5}) ==
             text("-1 samples of 5 text tokens, 0 pictures and 0 answer tokens"));
  BOOST_TEST(refusal({.samples = 0x7fffffff, .text_tokens = 0x7fffffff}) ==
             text("2147483647 samples of 2147483647 text tokens, 0 pictures and 0 answer tokens"));
  BOOST_TEST(refusal({.pictures = {{0x7fffffff, 0x7fffffff, 0x7fffffff}}}) ==
             text("1 samples of 0 text tokens, 1 pictures and 0 answer tokens"));
  BOOST_TEST(refusal({.text_tokens = 1, .answer_tokens = 0x7fffffff}) ==
             text("1 samples of 1 text tokens, 0 pictures and 2147483647 answer tokens"));
}

BOOST_AUTO_TEST_SUITE_END()
