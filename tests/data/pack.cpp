#include <boost/test/unit_test.hpp>

#include <vlm/data/pack.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "tiny.hpp"

using vlm::Batch;
using vlm::Index;
using vlm::Packer;

namespace {

vlm::ModelConfig config() {
  return vlm::ModelConfig::parse(vlm::tests::tiny_config_text(vlm::tests::tiny_tokenizer()), "config.json");
}

vlm::Sample sample_of(Index size) {
  vlm::Sample sample;
  sample.tokens.assign(static_cast<std::size_t>(size), static_cast<std::int32_t>(size));
  sample.supervised.assign(sample.tokens.size(), 1);
  return sample;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(data_pack)

BOOST_AUTO_TEST_CASE(first_fit) {
  const vlm::ModelConfig sizes = config();
  std::vector<Batch> step(2);
  Packer packer(step, 10, sizes);
  using enum Packer::Place;
  BOOST_TEST((packer.add(sample_of(6)) == Packed));
  BOOST_TEST((packer.add(sample_of(7)) == Packed));  // opens the second
  BOOST_TEST((packer.add(sample_of(4)) == Packed));  // fills the first
  BOOST_TEST((packer.add(sample_of(11)) == TooLong));
  BOOST_TEST((packer.add(sample_of(4)) == StepFull));
  BOOST_TEST((packer.add(sample_of(3)) == Packed));
  const std::vector<std::int32_t> first = {0, 6, 10}, second = {0, 7, 10};
  BOOST_TEST(step[0].offsets == first, boost::test_tools::per_element());
  BOOST_TEST(step[1].offsets == second, boost::test_tools::per_element());
  // Positions start anew with each sample, and no sample's first token is predicted.
  const std::vector<std::int32_t> times = {0, 1, 2, 3, 4, 5, 0, 1, 2, 3};
  BOOST_TEST(step[0].axes[0] == times, boost::test_tools::per_element());
  const std::vector<std::int32_t> rows = {0, 1, 2, 3, 4, 6, 7, 8};
  BOOST_TEST(step[0].rows == rows, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_new_packer_empties_the_step_and_keeps_its_memory) {
  const vlm::ModelConfig sizes = config();
  std::vector<Batch> step(1);
  BOOST_TEST((Packer(step, 10, sizes).add(sample_of(10)) == Packer::Place::Packed));
  const std::int32_t* memory = step[0].tokens.data();
  Packer packer(step, 10, sizes);
  BOOST_TEST(step[0].token_count() == 0);
  BOOST_TEST(step[0].sample_count() == 0);
  packer.add(sample_of(10));
  BOOST_TEST(step[0].tokens.data() == memory);
}

BOOST_AUTO_TEST_CASE(a_step_without_room_is_an_error) {
  const vlm::ModelConfig sizes = config();
  std::vector<Batch> none, one(1);
  BOOST_TEST(message_of([&] { Packer(none, 10, sizes); }) ==
             "vlm::ConfigError [pack-step]\n  expected  at least one micro-batch of at least one token\n"
             "  got       0 of 10"
             "\n  try       a context of at least 1, and a step that is not empty");
  BOOST_CHECK_THROW(Packer(one, 0, sizes), vlm::ConfigError);
}

BOOST_AUTO_TEST_SUITE_END()
