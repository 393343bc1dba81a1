#include <vlm/infer/session.hpp>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <thread>

#include "infer/allocations.hpp"
#include "infer/answer_cases.hpp"
#include "infer/logits.hpp"
#include "message_of.hpp"
#include "temporary_folder.hpp"

using namespace vlm;
using tests::logits_of;
using tests::same_bits;

namespace {

using Tokens = std::vector<std::int32_t>;

template <class Net>
std::int32_t best(Session<Net>& session) {
  const View<float, 2, Cpu> logits = session.logits();
  return static_cast<std::int32_t>(std::max_element(logits.data, logits.data + logits.count()) - logits.data);
}

template <class Net>
Tokens greedy(Session<Net>& session, const Prompt& prompt, std::size_t count) {
  session.prefill(prompt, static_cast<Index>(count));
  Tokens answer{best(session)};
  while (answer.size() < count) {
    session.step(answer.back());
    answer.push_back(best(session));
  }
  return answer;
}

Json greedy_answers() {
  return parse_json(read_file("tests/golden/greedy.json"), "tests/golden/greedy.json");
}

// A conversation long enough for several pages: the case's sample, then text.
Prompt long_prompt(const golden::Case& test, std::size_t length) {
  Prompt prompt = Prompt::of(test.sample(), test.config);
  for (std::size_t i = prompt.tokens.size(); i < length; ++i)
    prompt.tokens.push_back(static_cast<std::int32_t>((7 * i + i / 5) % 90));
  return prompt;
}

// The logits after a prompt: whole, in chunks, with its end step by step, on one thread and two.
template <class Net>
void check_chunks(const Net& net, const Prompt& prompt, CellFormat format) {
  Session whole(net, {.threads = 1, .cells = format, .chunk_tokens = 1000});
  whole.prefill(prompt, 0);
  const std::vector<float> expected = logits_of(whole);
  BOOST_TEST_CONTEXT("cells in " << name_of(format)) {
    for (const Index chunk : {1, 5, 63, 64, 65, 149})
      for (const int threads : {1, 2}) {
        Session session(net,
                        {.threads = threads, .cells = format, .chunk_tokens = chunk, .tower_patches = 1});
        session.prefill(prompt, 0);
        BOOST_TEST(same_bits(logits_of(session), expected), "chunks of " << chunk);
      }
    Prompt beginning = prompt;
    beginning.tokens.resize(120);
    Session steps(net, {.threads = 1, .cells = format});
    steps.prefill(beginning, 2);  // and more room when it is needed
    for (std::size_t i = 120; i < prompt.tokens.size(); ++i) steps.step(prompt.tokens[i]);
    BOOST_TEST(same_bits(logits_of(steps), expected));
  }
}

constexpr const char* some_cases[] = {"dense_04_image_video", "moe_02_two_images"};

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_session)

// All 64 tokens of every stored case with one sample: text, images and videos, dense and sparse.
BOOST_AUTO_TEST_CASE(greedy_answers_are_those_of_transformers) {
  const Json answers = greedy_answers();
  BOOST_TEST(answers.members().size() >= 20);
  for (const auto& member : answers.members())
    golden::with_case(member.first, [&](const golden::Case& test, const auto& net) {
      const auto& [name, answer] = member;
      Session session(net, {.threads = 1, .chunk_tokens = 7});
      const Tokens ours = greedy(session, Prompt::of(test.sample(), test.config), 64);
      BOOST_TEST_CONTEXT(name) {
        BOOST_REQUIRE(answer.at("tokens").items().size() == ours.size());
        for (std::size_t i = 0; i < ours.size(); ++i)
          BOOST_REQUIRE_MESSAGE(answer.at("tokens").items()[i].integer() == ours[i],
                                "token " << i << ": " << ours[i]);
      }
    });
}

BOOST_AUTO_TEST_CASE(chunks_threads_and_steps_change_no_bit) {
  for (const char* name : some_cases)
    golden::with_case(name, [&](const golden::Case& test, const auto& net) {
      for (const CellFormat format : {CellFormat::F32, CellFormat::BF16, CellFormat::I8})
        check_chunks(net, long_prompt(test, 150), format);
    });
}

// The same with weights in blocks, which round rows, and attention over cells in bf16.
BOOST_AUTO_TEST_CASE(chunks_threads_and_steps_change_no_bit_with_blocks) {
  for (const char* name : {"dense_04_image_video", "moe_04_image_video"})
    golden::with_case(name, [&]<class Spec, class... Others>(const golden::Case& test,
                                                             const Model<Spec, Cpu, Others...>& net) {
      const TemporaryFolder folder;
      net.save(folder.path);
      for (const FrozenWeights weights : {FrozenWeights::Bf16, FrozenWeights::Int8, FrozenWeights::Int4})
        check_chunks(Model<Spec, Cpu>::load(folder.path, weights), long_prompt(test, 150), CellFormat::BF16);
    });
}

// A further turn, a changed turn and the same prompt again, each against a session that passes all of it.
BOOST_AUTO_TEST_CASE(kept_cells_change_no_bit) {
  golden::with_case("dense_04_image_video", [&](const golden::Case& test, const auto& net) {
    Session kept(net, {.threads = 1});
    Prompt prompt = long_prompt(test, 140);
    const auto check = [&](Index reused) {
      kept.prefill(prompt, 10);
      BOOST_TEST(kept.counts().reused == reused);
      Session fresh(net, {.threads = 1});
      fresh.prefill(prompt, 0);
      BOOST_TEST(fresh.counts().reused == 0);
      BOOST_TEST(same_bits(logits_of(kept), logits_of(fresh)));
    };
    check(0);
    check(139);  // the last token gives the logits
    const std::int32_t answer[] = {3, 1, 4, 1, 5};
    for (const std::int32_t token : answer) kept.step(token);
    prompt.tokens.insert(prompt.tokens.end(), std::begin(answer), std::end(answer));
    prompt.tokens.insert(prompt.tokens.end(), 60, 9);
    check(145);
    prompt.tokens[130] = 88;  // inside a page that is shared
    check(130);
    prompt.tokens.resize(64);
    check(63);
    prompt = long_prompt(test, 140);
    check(128);  // whole pages of the first prompt
  });
}

BOOST_AUTO_TEST_CASE(sessions_share_pages_and_pictures) {
  golden::with_case("moe_02_two_images", [&](const golden::Case& test, const auto& net) {
    const auto cache = std::make_shared<PrefixCache>();
    const Prompt prompt = long_prompt(test, 200);
    Session first(net, {.threads = 1, .cache = cache}), second(net, {.threads = 1, .cache = cache});
    first.prefill(prompt, 0);
    BOOST_TEST(first.counts().encoded == 2);
    second.prefill(prompt, 0);
    BOOST_TEST(second.counts().reused == 192);
    BOOST_TEST(second.counts().encoded == 0);
    BOOST_TEST(same_bits(logits_of(first), logits_of(second)));
    BOOST_TEST(cache->page_count() == 3);

    // Another question about the same pictures: nothing of the page is kept, and no picture is encoded again.
    Prompt other = prompt;
    other.tokens[0] = (other.tokens[0] + 1) % 50;
    second.prefill(other, 0);
    BOOST_TEST(second.counts().reused == 0);
    BOOST_TEST(second.counts().encoded == 0);
    Session fresh(net, {.threads = 1});
    fresh.prefill(other, 0);
    BOOST_TEST(same_bits(logits_of(second), logits_of(fresh)));
  });
}

// Pictures of one size that differ, in all or in one value: no cell and no encoded row is shared from there on.
BOOST_AUTO_TEST_CASE(different_pictures_share_nothing) {
  golden::with_case("dense_01_image", [&](const golden::Case& test, const auto& net) {
    const auto cache = std::make_shared<PrefixCache>();
    Sample sample = test.sample();
    for (int i = 0; i < 100; ++i) sample.tokens.push_back(i % 60);
    sample.supervised.clear();
    const auto picture =
        static_cast<Index>(std::find(sample.tokens.begin(), sample.tokens.end(), test.config.image_token) -
                           sample.tokens.begin());
    Session first(net, {.threads = 1, .cache = cache});
    first.prefill(Prompt::of(sample, test.config), 0);
    const std::vector<float> before = logits_of(first);
    for (const bool all : {true, false}) {
      Sample changed = sample;
      if (all)
        for (float& value : changed.image_patches) value = -value;
      else
        changed.image_patches.back() += 1.0f / 256;
      const Prompt prompt = Prompt::of(changed, test.config);
      Session other(net, {.threads = 1, .cache = cache}), fresh(net, {.threads = 1});
      other.prefill(prompt, 0);
      BOOST_TEST(other.counts().reused == 0);
      BOOST_TEST(other.counts().encoded == 1);
      first.prefill(prompt, 0);  // holds the other picture's cells
      BOOST_TEST(first.counts().reused == 64);
      fresh.prefill(prompt, 0);
      BOOST_TEST(same_bits(logits_of(other), logits_of(fresh)));
      BOOST_TEST(same_bits(logits_of(first), logits_of(fresh)));
      BOOST_TEST(!same_bits(logits_of(first), before));
      Session alone(net, {.threads = 1});
      alone.prefill(Prompt::of(sample, test.config), 0);
      alone.prefill(prompt, 0);
      BOOST_TEST(alone.counts().reused == picture);
      BOOST_TEST(same_bits(logits_of(alone), logits_of(fresh)));
    }
    Session same(net, {.threads = 1, .cache = cache});
    same.prefill(Prompt::of(sample, test.config), 0);
    BOOST_TEST(same.counts().encoded == 0);
    BOOST_TEST(same.counts().reused == 64);
    BOOST_TEST(same_bits(logits_of(same), before));
  });
}

BOOST_AUTO_TEST_CASE(narrow_cells_take_less_memory_and_stay_near) {
  golden::with_case("dense_04_image_video", [&](const golden::Case& test, const auto& net) {
    const Prompt prompt = long_prompt(test, 150);
    Session wide(net, {.threads = 1});
    wide.prefill(prompt, 0);
    const TextSizes& text = test.config.text;
    const auto heads = static_cast<std::size_t>(2 * text.layers * text.kv_heads),
               head_dim = static_cast<std::size_t>(text.head_dim);
    BOOST_TEST(wide.cell_bytes(64) == 64 * heads * head_dim * 4);
    const std::vector<float> exact = logits_of(wide);
    float largest = 0;
    for (const float value : exact) largest = std::max(largest, std::abs(value));
    for (const auto& [format, cell_bytes, bound] : {std::tuple{CellFormat::BF16, heads * head_dim * 2, 0.02f},
                                                    {CellFormat::I8, heads * (head_dim + 4), 0.05f}}) {
      Session narrow(net, {.threads = 1, .cells = format});
      narrow.prefill(prompt, 0);
      BOOST_TEST_CONTEXT(name_of(format)) {
        BOOST_TEST(narrow.cell_bytes(150) == 3 * 64 * cell_bytes);
        const std::vector<float> near = logits_of(narrow);
        BOOST_TEST(golden::largest_difference(exact, near) / largest < bound);
        BOOST_TEST(!same_bits(exact, near));
      }
    }
  });
}

// What a step takes beside the cells hangs neither on how many are in use nor on how many there is room for.
BOOST_AUTO_TEST_CASE(the_memory_of_a_step_does_not_grow_with_the_cells) {
  golden::with_case("dense_00_text", [&](const golden::Case& test, const auto& net) {
    Session few(net, {.threads = 1, .chunk_tokens = 8}), many(net, {.threads = 1, .chunk_tokens = 8});
    few.prefill(long_prompt(test, 32), 0);  // whole chunks: the last one alone has logits
    many.prefill(long_prompt(test, 1000), 100000);
    BOOST_TEST(few.step_bytes() == many.step_bytes());
    BOOST_TEST(few.runtime().reserved_bytes() == many.runtime().reserved_bytes());
  });
}

BOOST_AUTO_TEST_CASE(a_prompt_can_be_stopped_between_chunks) {
  golden::with_case("dense_01_image", [&](const golden::Case& test, const auto& net) {
    const Prompt prompt = long_prompt(test, 100);
    Session session(net, {.threads = 1, .chunk_tokens = 10}), fresh(net, {.threads = 1});
    std::stop_source source;
    source.request_stop();
    BOOST_TEST(!session.prefill(prompt, 0, source.get_token()));
    BOOST_TEST(session.length() == 0);
    BOOST_TEST(session.prefill(prompt, 0));
    fresh.prefill(prompt, 0);
    BOOST_TEST(same_bits(logits_of(session), logits_of(fresh)));
  });
}

// One model and one cache, and sessions on several threads.
BOOST_AUTO_TEST_CASE(one_model_serves_many_threads) {
  golden::with_case("moe_02_two_images", [&](const golden::Case& test, const auto& net) {
    const auto cache = std::make_shared<PrefixCache>(
        PrefixCacheSettings{.page_bytes = std::size_t{1} << 17, .picture_bytes = 1 << 12});
    std::vector<std::vector<float>> results(4);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < results.size(); ++i)
      threads.emplace_back([&, i] {
        Session session(net, {.threads = 1, .chunk_tokens = 40, .cache = cache});
        for (std::size_t length = 100 + 10 * i; length < 150; length += 20)
          session.prefill(long_prompt(test, length), 0);
        session.prefill(long_prompt(test, 150), 0);
        results[i] = logits_of(session);
      });
    for (std::thread& thread : threads) thread.join();
    for (const std::vector<float>& result : results) BOOST_TEST(same_bits(result, results.front()));
  });
}

BOOST_AUTO_TEST_CASE(a_cache_belongs_to_one_model_and_format) {
  golden::with_case("dense_00_text", [&](const golden::Case&, const auto& net) {
    const auto cache = std::make_shared<PrefixCache>();
    const Session session(net, {.threads = 1, .cache = cache});
    BOOST_TEST(message_of([&] {
                 const Session other(net, {.threads = 1, .cells = CellFormat::BF16, .cache = cache});
               }) ==
               "vlm::ConfigError [cache-model]\n"
               "  expected  the model and the format of cells that the cache is for\n"
               "  got       cells in bf16, not in f32\n"
               "  try       a cache of its own for each model and format");
    BOOST_TEST(message_of([&] { const Session other(net, {.chunk_tokens = 0}); }) ==
               "vlm::ConfigError [session-settings]\n"
               "  expected  chunk_tokens and tower_patches of at least 1\n"
               "  got       0 and 4096"
               "\n  try       the values that SessionSettings begins with");
  });
}

// Wherever operator new fails, in a prefill or a step that needs a page: what follows, here and in another session of
// the cache, is right.
BOOST_AUTO_TEST_CASE(a_pass_that_fails_leaves_nothing_wrong) {
  golden::with_case("dense_01_image", [&](const golden::Case& test, const auto& net) {
    const Prompt before = long_prompt(test, 150);
    Prompt changed = long_prompt(test, 150);
    changed.tokens[100] = 3;
    const auto logits = [&](const Prompt& prompt) {
      Session fresh(net, {.threads = 1});
      fresh.prefill(prompt, 0);
      return logits_of(fresh);
    };
    Prompt grown = changed;
    do grown.tokens.push_back(5);
    while (grown.tokens.size() % 64 != 1);  // the last step needs a page
    const std::vector<float> expected = logits(before), expected_changed = logits(changed),
                             expected_grown = logits(grown);
    bool failed = true;
    int allocations = 0;
    for (; failed; ++allocations) {
      const auto cache = std::make_shared<PrefixCache>();
      Session session(net, {.threads = 1, .chunk_tokens = 40, .cache = cache});
      const auto grow = [&] {
        while (session.length() < static_cast<Index>(grown.tokens.size())) session.step(5);
      };
      session.prefill(before, 4);
      bool prefilled = false;
      failed = false;
      fail_allocation(allocations);
      try {
        session.prefill(changed, 0);
        prefilled = true;
        grow();
      } catch (const std::bad_alloc&) {
        failed = true;
      } catch (const DeviceError&) {
        failed = true;
      }
      fail_allocation(-1);
      if (prefilled) {
        grow();
        BOOST_REQUIRE(same_bits(logits_of(session), expected_grown));
      }
      session.prefill(before, 4);
      BOOST_REQUIRE(same_bits(logits_of(session), expected));
      Session other(net, {.threads = 1, .cache = cache});
      other.prefill(changed, 4);
      BOOST_REQUIRE(same_bits(logits_of(other), expected_changed));
    }
    BOOST_TEST(allocations > 20);
  });
}

// As a tokenizer of another model would give it.
BOOST_AUTO_TEST_CASE(tokens_that_the_model_lacks_are_refused) {
  golden::with_case("dense_00_text", [&](const golden::Case&, const auto& net) {
    Session session(net, {.threads = 1});
    session.prefill({{1, 2, 3}, {}, {}}, 4);
    const Index vocabulary = net.config().text.vocabulary;
    for (const Index token : {Index{-1}, vocabulary})
      BOOST_CHECK_THROW(session.step(static_cast<std::int32_t>(token)), DataError);
    BOOST_TEST(session.length() == 3);
    session.step(static_cast<std::int32_t>(vocabulary - 1));
    BOOST_TEST(session.length() == 4);
    std::stop_source source;
    source.request_stop();
    BOOST_TEST(!session.prefill({{1, 2, 5, 6}, {}, {}}, 4, source.get_token()));
    BOOST_TEST(message_of([&] { session.step(1); }) ==
               "vlm::DataError [prompt]\n"
               "  expected  a prompt that has passed\n"
               "  got       one that was left after 2 tokens\n"
               "  try       prefill with it again");
    BOOST_TEST(session.prefill({{1, 2, 5, 6}, {}, {}}, 4));
    session.step(1);
    Session fresh(net, {.threads = 1});
    fresh.prefill({{1, 2, 5, 6, 1}, {}, {}}, 0);
    BOOST_TEST(same_bits(logits_of(session), logits_of(fresh)));
  });
}

BOOST_AUTO_TEST_SUITE_END()
