#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <cstring>
#include <new>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <vlm/infer/generate.hpp>
#include <vlm/model/chunk.hpp>

#include "infer/allocations.hpp"
#include "infer/tiny_chat.hpp"
#include "message_of.hpp"
#include "model/golden.hpp"
#include "temporary_folder.hpp"

namespace {
std::atomic<std::size_t> allocations{0};
thread_local std::ptrdiff_t before_failure = -1;
}  // namespace
// Not inlined, or g++ takes malloc and free for a mismatched pair.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (before_failure >= 0 && before_failure-- == 0) throw std::bad_alloc();
  if (void* memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
std::size_t allocation_count() { return allocations; }
void fail_allocation(std::ptrdiff_t others) { before_failure = others; }

using namespace vlm;
using namespace vlm::tests;

namespace {

using Tokens = std::vector<std::int32_t>;
using One = Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<1>>, Decoder<Qwen3, Dense>, Rope<InterleavedM>>;
using OneMoE = Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<1>>, Decoder<Qwen3, MoE>, Rope<InterleavedM>>;

constexpr const char* dense_cases[] = {"dense_00_text",  "dense_01_image",       "dense_02_two_images",
                                       "dense_03_video", "dense_04_image_video", "dense_05_wide_and_tall"};
constexpr const char* sparse_cases[] = {"moe_00_text",  "moe_01_image",       "moe_02_two_images",
                                        "moe_03_video", "moe_04_image_video", "moe_05_wide_and_tall"};

// Calls check(case, trained net with the case's weights) for each stored case, dense and sparse.
template <class Check>
void for_each_case(Check&& check) {
  const auto run = [&]<class Three, class Single>(const char* folder, Three*, Single*) {
    BOOST_TEST_CONTEXT(folder) {
      const golden::Case test(folder);
      if (test.config.vision.taps.size() == 3)
        check(test, golden::Run<Three>(test, test.seed).net);
      else
        check(test, golden::Run<Single>(test, test.seed).net);
    }
  };
  for (const char* folder : dense_cases)
    run(folder, static_cast<Qwen3VL*>(nullptr), static_cast<One*>(nullptr));
  for (const char* folder : sparse_cases)
    run(folder, static_cast<Qwen3VLMoE*>(nullptr), static_cast<OneMoE*>(nullptr));
}

// One forward over packed rows, with a cache where one is given: the logits of every row.
template <class Net>
std::vector<float> logits_of(Runtime<Cpu>& s, const Net& net, const Batch& batch,
                             KeyValueCache<Cpu>* cache = nullptr) {
  typename Net::RopeTables tables;
  Sequences<Cpu> text = net.text_sequences(batch, tables);
  if (cache) cache->describe(text);
  const Index rows = batch.token_count(), vocabulary = net.config().text.vocabulary;
  std::vector<float> logits(static_cast<std::size_t>(rows * vocabulary));
  const auto pass = [&] {
    const View<float, 2, Cpu> hidden = s.keep<float>(rows, net.features());
    typename Net::Saved saved;
    net.forward(s, batch, text, hidden, saved);
    s.run(LinearForward<Cpu, float>{
        .x = hidden, .weight = net.head(), .y = {logits.data(), Shape<2>{{rows, vocabulary}}}});
  };
  s.plan(pass);
  const auto given_back = s.scope();
  pass();
  return logits;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// Feeds a sample to an empty cache in chunks that end at the given rows; the logits of all rows.
template <class Net>
std::vector<float> logits_in_chunks(Runtime<Cpu>& s, const Net& net, const Sample& sample,
                                    const std::vector<Index>& ends) {
  Batch whole, chunk;
  whole.append(sample, net.config());
  KeyValueCache<Cpu> cache(net.config().text.layers, net.config().text.kv_heads * net.config().text.head_dim);
  cache.allot(std::vector<Index>{3, whole.token_count()});
  std::vector<float> logits;
  Index begin = 0;
  for (const Index end : ends) {
    cut_chunk(whole, begin, end, chunk);
    cache.clear_pass();
    cache.append(1, end - begin);
    const std::vector<float> rows = logits_of(s, net, chunk, &cache);
    logits.insert(logits.end(), rows.begin(), rows.end());
    begin = end;
  }
  return logits;
}

// Greedy answers the slow way: the whole forward again for each token, without a cache.
template <class Net>
Tokens slow_answer(const Net& net, const Sample& prompt, Index count, Index vocabulary = 0) {
  Runtime<Cpu> s(1);
  Batch batch;
  batch.append(prompt, net.config());
  std::int32_t position = batch.next_positions.front();
  const Index all = net.config().text.vocabulary;
  Tokens answer;
  while (static_cast<Index>(answer.size()) < count) {
    const std::vector<float> logits = logits_of(s, net, batch);
    const auto last = logits.end() - all;
    const auto best = std::max_element(last, last + (vocabulary > 0 ? vocabulary : all));
    answer.push_back(static_cast<std::int32_t>(best - last));
    batch.tokens.push_back(answer.back());
    for (auto& axis : batch.axes) axis.push_back(position);
    ++batch.offsets.back();
    ++position;
  }
  return answer;
}

// The case's own sample, and texts of several lengths without pictures.
std::vector<Sample> prompts_of(const golden::Case& test) {
  std::vector<Sample> prompts{test.sample()};
  for (const std::size_t length : {1u, 5u, 70u, 2u}) {
    Sample text;
    for (std::size_t i = 0; i < length; ++i)
      text.tokens.push_back(static_cast<std::int32_t>((7 * i + 3 * length) % 80));
    prompts.push_back(text);
  }
  prompts.push_back(test.sample());
  return prompts;
}

template <class Net>
Tokens answer_one(Generator<Net>& generator, const Sample& prompt, const GenerateSettings& settings) {
  return generator.answer(std::span(&prompt, 1), settings).at(0);
}

// A small dense net with one picture in its prompt.
struct Small {
  golden::Case test{"dense_01_image"};
  golden::Run<One> run{test, test.seed};
  const golden::Run<One>::Net& net = run.net;
  std::vector<Sample> prompts = prompts_of(test);
};

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_generate)

// One pass without a cache, as in training, is the measure: the same bits come from a pass that writes the cache, and
// from a prompt that is cut at any row, inside pictures too. A causal mask made of positions, which repeat inside a
// picture, would fail here.
BOOST_AUTO_TEST_CASE(pitfall_15_a_prompt_cut_anywhere_gives_the_same_bits) {
  for_each_case([](const golden::Case& test, const auto& net) {
    Runtime<Cpu> training(1), s(1);
    s.keep_activations(false);
    const Sample sample = test.sample();
    const auto size = static_cast<Index>(sample.tokens.size());
    Batch whole;
    whole.append(sample, test.config);
    const std::vector<float> expected = logits_of(training, net, whole);
    BOOST_TEST(same_bits(logits_in_chunks(s, net, sample, {size}), expected));
    for (Index at = 1; at < size; ++at)
      BOOST_TEST(same_bits(logits_in_chunks(s, net, sample, {at, size}), expected), "cut before row " << at);
  });
}

// prefill(n + 1) = prefill(n) + decode(1) for every n, and token by token from the first on. Positions that decoding
// takes from one axis, or counts by tokens, would fail here.
BOOST_AUTO_TEST_CASE(pitfall_13_decoding_goes_on_as_prefill_does) {
  for_each_case([](const golden::Case& test, const auto& net) {
    Runtime<Cpu> s(2);
    s.keep_activations(false);
    const Sample sample = test.sample();
    const auto size = static_cast<Index>(sample.tokens.size());
    const std::vector<float> expected = logits_in_chunks(s, net, sample, {size});
    const auto row = static_cast<std::size_t>(test.config.text.vocabulary);
    for (Index n = 1; n < size; ++n) {
      const std::vector<float> logits = logits_in_chunks(s, net, sample, {n, n + 1});
      BOOST_TEST(same_bits(logits, std::span(expected).first(static_cast<std::size_t>(n + 1) * row)));
    }
    std::vector<Index> ends(static_cast<std::size_t>(size));
    std::iota(ends.begin(), ends.end(), 1);
    BOOST_TEST(same_bits(logits_in_chunks(s, net, sample, ends), expected));
  });
}

// A second turn begins at the position after the first one's largest, not after its number of tokens: two turns through
// the cache are one long prompt.
BOOST_AUTO_TEST_CASE(pitfall_14_two_turns_equal_one_long_prompt) {
  for_each_case([](const golden::Case& test, const auto& net) {
    Runtime<Cpu> s(2);
    s.keep_activations(false);
    const Sample turn = test.sample();
    const Tokens answer = {3, 1, 4};
    Sample both = turn;
    both.supervised.clear();
    both.tokens.insert(both.tokens.end(), answer.begin(), answer.end());
    const auto append = [](auto& into, const auto& from) {
      into.insert(into.end(), from.begin(), from.end());
    };
    append(both.tokens, turn.tokens);
    append(both.images, turn.images);
    append(both.videos, turn.videos);
    append(both.image_patches, turn.image_patches);
    append(both.video_patches, turn.video_patches);
    Batch whole;
    whole.append(both, test.config);
    const std::vector<float> expected = logits_of(s, net, whole);

    KeyValueCache<Cpu> cache(test.config.text.layers, test.config.text.kv_heads * test.config.text.head_dim);
    cache.allot(std::vector<Index>{whole.token_count()});
    std::vector<float> logits;
    std::int32_t next = 0;
    const auto pass = [&](const Sample& part) {
      Batch batch;
      batch.append(part, test.config, 1.0f, next);
      next = batch.next_positions.back();
      cache.clear_pass();
      cache.append(0, batch.token_count());
      append(logits, logits_of(s, net, batch, &cache));
    };
    pass(turn);
    for (const std::int32_t token : answer) {
      Sample single;
      single.tokens = {token};
      pass(single);
    }
    pass(turn);
    BOOST_TEST(same_bits(logits, expected));
    BOOST_TEST(next == whole.next_positions.back());
  });
}

BOOST_AUTO_TEST_CASE(packed_prompts_and_any_number_of_threads_give_the_same_bits) {
  for_each_case([](const golden::Case& test, const auto& net) {
    const std::vector<Sample> prompts = prompts_of(test);
    Batch packed;
    std::vector<float> alone;
    Runtime<Cpu> two(2);
    for (const Sample& prompt : prompts) {
      packed.append(prompt, test.config);
      Batch single;
      single.append(prompt, test.config);
      const std::vector<float> logits = logits_of(two, net, single);
      alone.insert(alone.end(), logits.begin(), logits.end());
    }
    for (const int threads : {1, 2, 7}) {
      Runtime<Cpu> s(threads);
      BOOST_TEST(same_bits(logits_of(s, net, packed), alone), threads << " threads");
    }
  });
}

BOOST_AUTO_TEST_CASE(answers_equal_a_slow_reference_and_do_not_depend_on_their_neighbours) {
  for_each_case([](const golden::Case& test, const auto& net) {
    constexpr Index count = 5;
    const std::vector<Sample> prompts = prompts_of(test);
    std::vector<Tokens> expected;
    for (const Sample& prompt : prompts) expected.push_back(slow_answer(net, prompt, count));
    for (const Index budget : {Index{1}, Index{75}, Index{8192}}) {
      Generator generator(net, 2);
      BOOST_TEST((generator.answer(prompts, {.max_tokens = count, .prefill_tokens = budget}) == expected));
    }
    for (const int threads : {1, 7}) {
      Generator generator(net, threads);
      BOOST_TEST((generator.answer(prompts, {.max_tokens = count}) == expected));
      BOOST_TEST((answer_one(generator, prompts[0], {.max_tokens = count}) == expected[0]));
    }
  });
}

BOOST_FIXTURE_TEST_CASE(answers_end_at_stop_tokens, Small) {
  Generator generator(net, 2);
  const auto free = generator.answer(prompts, {.max_tokens = 24});
  const std::int32_t stop = free[2][5], other = free[0][9];
  const auto stopped = generator.answer(prompts, {.max_tokens = 24, .stop_tokens = {other, stop}});
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const Tokens stops{stop, other};
    const auto end = std::find_first_of(free[i].begin(), free[i].end(), stops.begin(), stops.end());
    BOOST_TEST((stopped[i] == Tokens(free[i].begin(), end)));
  }
  BOOST_TEST(stopped[2].size() <= 5u);
  BOOST_TEST((generator.answer(prompts, {.max_tokens = 24}) == free));
}

BOOST_FIXTURE_TEST_CASE(an_answer_that_stops_at_once_is_empty, Small) {
  Generator generator(net, 1);
  const std::int32_t first = answer_one(generator, prompts[0], {.max_tokens = 1}).at(0);
  BOOST_TEST(answer_one(generator, prompts[0], {.max_tokens = 9, .stop_tokens = {first}}).empty());
}

BOOST_FIXTURE_TEST_CASE(the_longest_length_may_be_zero_or_one, Small) {
  Generator generator(net, 1);
  BOOST_TEST((generator.answer(prompts, {.max_tokens = 0}) == std::vector<Tokens>(prompts.size())));
  for (std::size_t i = 0; i < prompts.size(); ++i)
    BOOST_TEST((generator.answer(prompts, {.max_tokens = 1})[i] == slow_answer(net, prompts[i], 1)));
  BOOST_TEST(generator.answer({}, {.max_tokens = 5}).empty());
}

BOOST_FIXTURE_TEST_CASE(only_tokens_of_the_vocabulary_are_chosen, Small) {
  Generator generator(net, 2);
  const GenerateSettings settings{.max_tokens = 8, .vocabulary = 20};
  for (const Sample& prompt : prompts)
    BOOST_TEST((answer_one(generator, prompt, settings) == slow_answer(net, prompt, 8, 20)));
}

BOOST_FIXTURE_TEST_CASE(equal_logits_give_the_lowest_token, Small) {
  for (Parameter& p : run.net.parameters()) std::fill(p.value.begin(), p.value.end(), 0.0f);
  Generator generator(net, 2);
  BOOST_TEST((answer_one(generator, prompts[0], {.max_tokens = 3}) == Tokens{0, 0, 0}));
}

BOOST_FIXTURE_TEST_CASE(a_stream_gives_tokens_as_they_come_and_can_be_ended, Small) {
  Generator generator(net, 2);
  const auto answers = generator.answer(prompts, {.max_tokens = 10});
  std::vector<Tokens> streamed(prompts.size());
  generator.stream(prompts, {.max_tokens = 10}, [&](std::size_t prompt, std::int32_t token) {
    streamed[prompt].push_back(token);
    return prompt != 3 || streamed[3].size() < 4;
  });
  for (std::size_t i = 0; i < prompts.size(); ++i)
    BOOST_TEST((streamed[i] == Tokens(answers[i].begin(), answers[i].begin() + (i == 3 ? 4 : 10))));
}

// Fewer sequences may be shared among threads in more spans, which take more memory; that shows where heads are wide.
BOOST_AUTO_TEST_CASE(memory_suffices_as_answers_end) {
  std::string text = tiny_config_text(tiny_tokenizer());
  const auto replace = [&](const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
  };
  replace("\"head_dim\": 8", "\"head_dim\": 1024");
  replace("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 1");
  replace("[2, 1, 1]", "[256, 128, 128]");
  const TinyNet net = TinyNet::make(ModelConfig::parse(text, "config.json"), 1);
  std::vector<Sample> single(8);
  for (std::size_t i = 0; i < single.size(); ++i) single[i].tokens = {static_cast<std::int32_t>(i + 1)};
  const GenerateSettings settings{.max_tokens = 10, .prefill_tokens = 8};
  const auto answers = Generator(net, 1).answer(single, settings);
  for (const int threads : {2, 3, 8}) {
    Generator generator(net, threads);
    std::vector<Tokens> streamed(single.size());
    generator.stream(single, settings, [&](std::size_t prompt, std::int32_t token) {
      streamed[prompt].push_back(token);
      return streamed[prompt].size() < prompt + 2;
    });
    for (std::size_t i = 0; i < single.size(); ++i)
      BOOST_TEST((streamed[i] == Tokens(answers[i].begin(), answers[i].begin() + static_cast<int>(i) + 2)));
  }
}

// One model serves several generators at once, each in a thread of its own.
BOOST_AUTO_TEST_CASE(one_model_answers_in_many_threads) {
  const golden::Case test("dense_02_two_images");
  const auto net = golden::Run<Qwen3VL>(test, test.seed).net;
  const std::vector<Sample> prompts{test.sample()};
  const GenerateSettings settings{.max_tokens = 12};
  const std::vector<Tokens> expected = Generator(net, 1).answer(prompts, settings);
  std::vector<std::vector<Tokens>> answers(4);
  std::vector<std::thread> threads;
  for (std::vector<Tokens>& own : answers)
    threads.emplace_back([&] { own = Generator(net, 2).answer(prompts, settings); });
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<Tokens>& own : answers) BOOST_TEST((own == expected));
  BOOST_TEST(expected.front().size() == 12u);
}

// The first step over single tokens may make room; from then on nothing is taken from the heap.
BOOST_AUTO_TEST_CASE(decoded_tokens_allocate_nothing) {
  for_each_case([](const golden::Case& test, const auto& net) {
    const std::vector<Sample> prompts = prompts_of(test);
    Generator generator(net, 2);
    constexpr Index steps = 6;
    std::vector<std::size_t> counts;
    counts.reserve(prompts.size() * steps);
    generator.stream(prompts, {.max_tokens = steps, .prefill_tokens = 30}, [&](std::size_t, std::int32_t) {
      counts.push_back(allocations);
      return true;
    });
    BOOST_REQUIRE_EQUAL(counts.size(), prompts.size() * steps);
    BOOST_TEST(counts.front() > 0u);
    BOOST_TEST(counts.back() == counts[prompts.size()]);
  });
}

BOOST_FIXTURE_TEST_CASE(frozen_and_trained_types_answer_alike, Small) {
  const TemporaryFolder folder;
  net.save(folder.path);
  const auto frozen = Model<One, Cpu>::load(folder.path);
  const auto expected = Generator(net, 1).answer(prompts, {.max_tokens = 8});
  BOOST_TEST((Generator(frozen, 1).answer(prompts, {.max_tokens = 8}) == expected));
}

BOOST_FIXTURE_TEST_CASE(wrong_prompts_and_settings_are_refused, Small) {
  Generator generator(net, 1);
  const auto answer = [&](const GenerateSettings& settings) {
    return message_of([&] { generator.answer(prompts, settings); });
  };
  BOOST_TEST(answer({.max_tokens = -1}) ==
             "vlm::ConfigError [generate-settings]\n"
             "  expected  max_tokens from 0 to 2147483647, prefill_tokens of at least 1\n"
             "  got       -1 and 8192"
             "\n  try       the values that GenerateSettings begins with");
  BOOST_TEST(answer({.max_tokens = 1, .prefill_tokens = 0}).find("got       1 and 0") != std::string::npos);
  prompts[3].tokens[1] = 101;
  BOOST_TEST(answer({}) ==
             "vlm::DataError [prompt]\n"
             "  at        prompt 3\n"
             "  expected  tokens from 0 to 100\n"
             "  got       101"
             "\n  try       encoding the prompt with the tokenizer of the model");
  prompts[1].tokens.clear();
  BOOST_TEST(answer({}) ==
             "vlm::DataError [prompt]\n"
             "  at        prompt 1\n"
             "  expected  at least one token\n"
             "  got       none"
             "\n  try       encoding the prompt with the tokenizer of the model");
  prompts = {test.sample()};
  prompts[0].image_patches.pop_back();
  BOOST_TEST(answer({}).find("DataError [patch-rows]") != std::string::npos);
  // An error leaves the generator usable.
  prompts = {test.sample()};
  BOOST_TEST((generator.answer(prompts, {.max_tokens = 2})[0] == slow_answer(net, prompts[0], 2)));
}

BOOST_AUTO_TEST_SUITE_END()
