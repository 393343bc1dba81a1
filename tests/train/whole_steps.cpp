// Whole steps of the trainer: beside another implementation of model, data, loss and optimizer, and their allocations.
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include <vlm/vlm.hpp>

#include "model/golden.hpp"
#include "temporary_folder.hpp"

namespace {
std::atomic<std::size_t> all_allocations{0};
thread_local std::size_t own_allocations = 0;
}  // namespace
// Not inlined, or g++ takes malloc and free for a mismatched pair.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++all_allocations;
  ++own_allocations;
  if (void* memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

using namespace vlm;

namespace {

// A step is every conversation of the file once, in whatever order: no other one fits behind them.
Recipe whole_file_recipe(const std::string& out, Index tokens) {
  Recipe recipe{.start = "tests/toy/start", .data = {{"tests/toy/data.jsonl"}}, .out = out};
  recipe.steps = 10;
  recipe.context = tokens;
  recipe.from_scratch = true;
  recipe.threads = 2;
  recipe.quiet = true;
  return recipe;
}

Json golden_steps() {
  const std::string path = "tests/golden/training/ten_steps.json";
  return parse_json(read_file(path), path);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(train_whole_steps)

// Ten steps by transformers and torch.optim.AdamW, from files to weights (tests/golden/make_training.py).
BOOST_AUTO_TEST_CASE(ten_steps_equal_another_implementation) {
  const TemporaryFolder folder;
  const Json golden = golden_steps();
  Recipe recipe = whole_file_recipe(folder.path, golden.at("tokens").integer());
  recipe.learning_rate = golden.at("learning_rate").number();
  recipe.end_rate = golden.at("end_rate").number();
  recipe.warm_up = golden.at("warm_up").integer();
  recipe.adamw = {.beta1 = golden.at("beta1").number(),
                  .beta2 = golden.at("beta2").number(),
                  .eps = golden.at("eps").number(),
                  .decay = golden.at("decay").number(),
                  .clip = golden.at("clip").number()};
  Trainer<S1> trainer(recipe);
  const auto seed = static_cast<std::uint64_t>(golden.at("seed").integer());
  for (const Parameter& p : trainer.net().parameters()) golden::fill_parameter(p, seed);
  for (const Json& expected : golden.at("results").items()) {
    const Report report = trainer.step();
    BOOST_TEST_CONTEXT("step " << report.step) {
      BOOST_TEST(report.tokens == recipe.context);
      const auto near = boost::test_tools::tolerance(1e-4);
      BOOST_TEST(report.loss == expected.at("loss").number(), near);
      BOOST_TEST(report.gradient_norm == expected.at("gradient_norm").number(), near);
      BOOST_TEST(report.learning_rate == expected.at("learning_rate").number(),
                 boost::test_tools::tolerance(1e-12));
    }
  }
  BOOST_TEST(trainer.steps_done() == 10);
}

// Steps of equal size allocate nothing after the second in the thread that trains. Those that prepare samples, whose
// texts and pictures are new each time, do.
BOOST_AUTO_TEST_CASE(steps_after_the_second_allocate_nothing) {
  const TemporaryFolder folder;
  const Recipe recipe = whole_file_recipe(folder.path, golden_steps().at("tokens").integer());
  Trainer<S1> trainer(recipe);
  StepLog log(folder.path + "/log.jsonl", 0);
  for (int i = 0; i < 2; ++i) log.add(trainer.step());
  const std::size_t before = own_allocations;
  for (int i = 0; i < 5; ++i) log.add(trainer.step());
  BOOST_TEST(own_allocations - before == 0u);
  BOOST_TEST(all_allocations > 0u);
}

BOOST_AUTO_TEST_SUITE_END()
