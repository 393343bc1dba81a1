#include "model/masks.hpp"

using namespace golden;

BOOST_AUTO_TEST_SUITE(model_masks)

BOOST_AUTO_TEST_CASE(only_the_merger_learns) { check_mask<Qwen3VL, Trainable<part::Merger>>(in_merger); }

BOOST_AUTO_TEST_CASE(only_the_decoder_learns) { check_mask<Qwen3VL, Trainable<part::Decoder>>(in_decoder); }

BOOST_AUTO_TEST_CASE(only_the_encoder_learns) { check_mask<Qwen3VL, Trainable<part::Encoder>>(in_encoder); }

BOOST_AUTO_TEST_CASE(only_the_head_learns) {
  check_mask<Qwen3VL, Trainable<part::Head>>([](std::string_view name) { return name == "lm_head.weight"; });
}

BOOST_AUTO_TEST_CASE(all_learn_with_blocks_computed_again) {
  check_mask<Qwen3VL, Trainable<part::All>, BlockInputs>([](std::string_view) { return true; });
}

// The type that serves has no gradients at all, and gives the same rows.
BOOST_AUTO_TEST_CASE(the_serving_type_gives_the_same_bits) {
  const Model<Qwen3VL, Cpu> serving = Model<Qwen3VL, Cpu>::load(whole<Qwen3VL>().folder);
  BOOST_TEST(serving.gradient_bytes() == 0u);
  BOOST_TEST(same_bits(hidden_rows(serving, whole<Qwen3VL>().batch, true), whole<Qwen3VL>().run.hidden));
}

BOOST_AUTO_TEST_SUITE_END()
