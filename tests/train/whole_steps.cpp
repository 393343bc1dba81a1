// Whole steps of the trainer: beside another implementation of model, data, loss and optimizer, and their allocations.
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

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

// Steps of equal size allocate nothing after the second in the thread that trains. What those that prepare samples
// allocate stands below.
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

// Conversations with pictures of an IDX file.
struct IdxConversations {
  TemporaryFolder folder;
  std::vector<Source> sources{{.path = folder.path + "/data.jsonl"}};

  IdxConversations() {
    std::string pictures("\0\0\x08\x03\0\0\0\x02\0\0\0\x1c\0\0\0\x1c", 16);
    for (int i = 0; i < 2 * 28 * 28; ++i) pictures += static_cast<char>(i % 251);
    write_file_atomically(folder.path + "/pictures.idx", pictures);
    std::string lines;
    for (int i = 0; i < 8; ++i)
      lines += R"({"messages": [{"role": "user", "content": [{"type": "image", "image": ")" + folder.path +
               R"(/pictures.idx#1"}, {"type": "text", "text": "What does this photograph show?"}]}, )" +
               R"({"role": "assistant", "content": "A pair of trousers that nobody has worn so far."}]})" +
               "\n";
    write_file_atomically(sources[0].path, lines);
  }
};

BOOST_AUTO_TEST_CASE(samples_of_texts_and_idx_pictures_allocate_nothing_after_the_first) {
  const IdxConversations data;
  const Processor processor = Processor::load("tests/toy/start");
  const Conversation conversation = Mix(data.sources, 1).conversation({0, 0});
  Sample sample;
  Processor::Memory memory;
  processor.training_sample(conversation, sample, memory);
  const Sample first = sample;
  const std::size_t before = own_allocations;
  for (int i = 0; i < 10; ++i) processor.training_sample(conversation, sample, memory);
  BOOST_TEST(own_allocations - before == 0u);
  BOOST_TEST(sample.tokens == first.tokens, boost::test_tools::per_element());
  BOOST_TEST((sample.image_patches == first.image_patches));
}

// Of a loader, all threads together: what remains is to parse each record into a conversation.
BOOST_AUTO_TEST_CASE(loaders_allocate_for_records_alone) {
  const IdxConversations data;
  const Processor processor = Processor::load("tests/toy/start");
  const Mix mix(data.sources, 1);
  const auto parse = [&] { const Conversation conversation = mix.conversation({0, 0}); };
  parse();
  std::size_t before = own_allocations;
  parse();
  const std::size_t each = own_allocations - before;

  Loader loader(data.sources, processor, {.context = 256, .micro_batches = 2, .seed = 1});
  std::vector<Batch> step;
  // Until the threads have prepared what they may: nothing happens for a while, on a busy machine too.
  const auto settle = [] {
    std::size_t seen = 0;
    for (int quiet = 0; quiet < 8; ++quiet) {
      std::this_thread::sleep_for(std::chrono::milliseconds(25));
      if (seen != all_allocations) quiet = 0;
      seen = all_allocations;
    }
  };
  for (int i = 0; i < 4; ++i) loader.next_step(step, 0.5);
  settle();
  before = all_allocations;
  Index samples = 0;
  for (int i = 0; i < 5; ++i) samples += loader.next_step(step, 0.5).samples;
  settle();
  BOOST_TEST(samples > 10);
  BOOST_TEST(all_allocations - before == static_cast<std::size_t>(samples) * each);
}

BOOST_AUTO_TEST_SUITE_END()
