#include <vlm/train/memory_ledger.hpp>

#include <boost/test/unit_test.hpp>

#include <vlm/core/config.hpp>
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#include <vlm/io/json_definitions.hpp>
#endif

#include "message_of.hpp"

using namespace vlm;

namespace {

constexpr std::size_t mebibyte = 1u << 20;
using Net = Model<Qwen3VL, Cpu, F32, part::All>;

}  // namespace

BOOST_AUTO_TEST_SUITE(train_memory_ledger)

BOOST_AUTO_TEST_CASE(a_ledger_is_the_costs_of_a_micro_batch_and_the_loader) {
  const ModelConfig config = ModelConfig::load("tests/toy/start");
  const LoaderSettings settings{.context = 64, .micro_batches = 3};
  const MemoryLedger ledger = memory_ledger<Net>(config, settings, 0.5, 1);
  // 32 visual tokens are 32 x 4 patches.
  const TrainingCosts costs =
      training_costs<Net>(config, Work{.text_tokens = 32, .pictures = {{1, 2, 64}}}, 1);
  BOOST_TEST(ledger.costs.total() == costs.total());
  // The three micro-batches of a step, and those of two steps ahead.
  BOOST_TEST(ledger.loader == 9 * costs.patch_rows);
  BOOST_TEST(ledger.total() == costs.total() - costs.patch_rows + ledger.loader);
  const MemoryLedger text = memory_ledger<Net>(config, settings, 0, 1);
  BOOST_TEST(text.loader == 0u);
  BOOST_TEST(text.total() < ledger.total());
}

BOOST_AUTO_TEST_CASE(the_table_names_every_account) {
  const MemoryLedger ledger{.costs = {.weights = 4 * mebibyte,
                                      .gradients = 3 * mebibyte,
                                      .optimizer = 6 * mebibyte,
                                      .activations = 2 * mebibyte},
                            .loader = mebibyte};
  const std::string table =
      "  weights         4.0 MiB\n"
      "  gradients       3.0 MiB\n"
      "  optimizer       6.0 MiB\n"
      "  activations     2.0 MiB\n"
      "  loader          1.0 MiB\n"
      "  in all         16.0 MiB\n";
  const LoaderSettings settings{.context = 512, .micro_batches = 2};
  const std::string title = "memory of a run with 2 x 512 tokens a step, if half of them are visual\n";
  BOOST_TEST(ledger_text(ledger, settings, 16 * mebibyte) == title + table);
  BOOST_TEST(ledger_text(ledger, settings, 15 * mebibyte) ==
             title + table +
                 "  this is more than the 15.0 MiB of this machine: fewer visual tokens would fit\n");
}

BOOST_AUTO_TEST_CASE(what_cannot_fit_is_refused) {
  const MemoryLedger ledger{.costs = {.weights = 4 * mebibyte,
                                      .gradients = 3 * mebibyte,
                                      .optimizer = 6 * mebibyte,
                                      .activations = 2 * mebibyte}};
  const LoaderSettings settings{.context = 512};
  BOOST_TEST(message_of([&] { require_memory(ledger, settings, 15 * mebibyte); }) == "no error");
  BOOST_TEST(
      message_of([&] { require_memory(ledger, settings, 15 * mebibyte - 1); }) ==
      "vlm::ConfigError [memory]\n"
      "  at        a micro-batch of 512 tokens\n"
      "  expected  at most the 15.0 MiB of this machine\n"
      "  got       15.0 MiB: weights 4.0 MiB, gradients 3.0 MiB, optimizer 6.0 MiB, activations 2.0 MiB\n"
      "  try       a smaller context, Keep<BlockInputs>, a stage that trains fewer parts, or a smaller "
      "model");
}

BOOST_AUTO_TEST_CASE(this_machine_has_memory) { BOOST_TEST(machine_memory() > mebibyte); }

BOOST_AUTO_TEST_SUITE_END()
