// The count against sums written out for a model small enough to do so.
#include <vlm/model/flops.hpp>

#include <boost/test/unit_test.hpp>

#include <vlm/vlm.hpp>

using namespace vlm;

namespace {

// The toy model: text 3 blocks of width 32, 2 heads and 1 key/value head of 16, feed-forward 48, vocabulary 320, tied;
// tower 3 blocks of width 32, feed-forward 48, patches of 3 x 2 x 4 x 4 values; merger and 3 taps of 128 -> 128 -> 32.
constexpr double of_token = 2.0 * 3 * (32 * 32 + 2 * 32 * 16 + 32 * 32 + 3 * 32 * 48);
constexpr double of_prediction = 2.0 * 320 * 32;
constexpr double of_patch = 2.0 * (96 * 32 + 3 * (32 * 96 + 32 * 32 + 2 * 32 * 48));
constexpr double of_visual_token = 2.0 * 4 * (128 * 128 + 128 * 32);

Batch batch_of_two() {
  Batch batch;
  batch.tokens.resize(30);
  batch.offsets = {0, 10, 30};
  batch.tables.offsets = {0, 16, 24};
  batch.visual_places.resize(6);
  batch.rows.resize(7);
  return batch;
}
constexpr double text_attention = 2.0 * 32 * 3 * (10 * 10 + 20 * 20);
constexpr double vision_attention = 4.0 * 32 * 3 * (16 * 16 + 8 * 8);

template <class Trains>
double flop_of() {
  using Net = Model<Qwen3VL, Cpu, F32, Trains>;
  return TrainingFlop<Net>(Net::outline(ModelConfig::load("tests/toy/start")))(batch_of_two());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_flops)

BOOST_AUTO_TEST_CASE(everything_learns) {
  BOOST_TEST(flop_of<part::All>() == 3 * (30 * of_token + 7 * of_prediction + 24 * of_patch +
                                          6 * of_visual_token + text_attention + vision_attention));
}

// Gradients pass through the decoder on their way to the mergers, and the tower runs forward alone.
BOOST_AUTO_TEST_CASE(the_mergers_alone) {
  BOOST_TEST(flop_of<Trainable<part::Merger>>() == 2 * (30 * of_token + 7 * of_prediction) + 24 * of_patch +
                                                       2 * 6 * of_visual_token + 3 * text_attention +
                                                       vision_attention + 6 * of_visual_token);
}

BOOST_AUTO_TEST_CASE(the_decoder_alone) {
  BOOST_TEST((flop_of<Trainable<part::Decoder, part::Head>>()) ==
             3 * (30 * of_token + 7 * of_prediction + text_attention) + 24 * of_patch + 6 * of_visual_token +
                 vision_attention);
}

BOOST_AUTO_TEST_CASE(of_experts_the_chosen_count) {
  Json json = parse_json(read_file("tests/toy/start/config.json"), "config.json");
  Json text = json.at("text_config");
  text.set("num_experts", 4);
  text.set("num_experts_per_tok", 2);
  text.set("moe_intermediate_size", 24);
  json.set("text_config", text);
  using Net = Model<Qwen3VLMoE, Cpu, F32, part::All>;
  const double sparse =
      TrainingFlop<Net>(Net::outline(ModelConfig::parse(write_json(json), "config.json")))(batch_of_two());
  // Two experts of half the width do what the dense feed-forward does; the router comes on top.
  BOOST_TEST(sparse == flop_of<part::All>() + 3 * 30 * 2.0 * 3 * 32 * 4);
}

BOOST_AUTO_TEST_SUITE_END()
