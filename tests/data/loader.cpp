#include <boost/test/unit_test.hpp>

#include <vlm/data/loader.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tiny.hpp"

using vlm::Batch;
using vlm::Index;
using vlm::Loader;
using vlm::LoaderSettings;
using vlm::Processor;
using vlm::Unusable;
using vlm::tests::Folder;
using vlm::tests::image_item;
using vlm::tests::line_of;
using vlm::tests::text_item;

namespace {

const Processor& processor() {
  static const Processor tiny = vlm::tests::tiny_processor();
  return tiny;
}

// Answers of 1 to 9 words, every third about an image.
std::string lines(int count, const std::string& word) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    std::string answer = std::to_string(i);
    for (int k = 0; k < i % 9; ++k) answer += " " + word;
    std::vector<vlm::Json> question = {text_item("What is it?")};
    if (i % 3 == 0) question.insert(question.begin(), image_item("images.idx#" + std::to_string(i % 5)));
    text += line_of(std::move(question), answer);
  }
  return text;
}

struct Files : Folder {
  Files() {
    write("images.idx", vlm::tests::idx_of_images(5));
    sources = {{write("a.jsonl", lines(20, "cat"))}, {write("b.jsonl", lines(15, "dog")), 0.6}};
  }
  std::vector<vlm::Source> sources;
};

bool same_batch(const Batch& a, const Batch& b) {
  return a.tokens == b.tokens && a.offsets == b.offsets && a.axes[0] == b.axes[0] && a.axes[1] == b.axes[1] &&
         a.axes[2] == b.axes[2] && a.next_positions == b.next_positions &&
         a.visual_places == b.visual_places && a.patches == b.patches &&
         a.tables.offsets == b.tables.offsets && a.tables.cosine == b.tables.cosine &&
         a.tables.sine == b.tables.sine && a.tables.corners == b.tables.corners &&
         a.tables.weights == b.tables.weights && a.rows == b.rows && a.targets == b.targets &&
         a.weights == b.weights;
}

using Step = std::vector<Batch>;

bool same_step(const Step& a, const Step& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_batch);
}
bool same_steps(const std::vector<Step>& a, const std::vector<Step>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_step);
}

std::vector<Step> take(Loader& loader, int count) {
  std::vector<Step> steps(static_cast<std::size_t>(count));
  for (Step& step : steps) loader.next_step(step, 0.5);
  return steps;
}

std::vector<std::string> samples_of(const std::vector<Step>& steps) {
  std::vector<std::string> texts;
  for (const Step& step : steps)
    for (const Batch& batch : step)
      for (std::size_t i = 0; i + 1 < batch.offsets.size(); ++i)
        texts.push_back(processor().tokenizer().decode(
            {batch.tokens.begin() + batch.offsets[i], batch.tokens.begin() + batch.offsets[i + 1]}));
  return texts;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(data_loader)

BOOST_AUTO_TEST_CASE(steps_are_packed_and_weighted) {
  const Files files;
  Loader loader(files.sources, processor(), {.context = 120, .micro_batches = 3});
  BOOST_TEST(loader.epoch_size() == 29);
  Step step;
  for (const double alpha : {0.0, 0.5, 1.0}) {
    const vlm::StepSize size = loader.next_step(step, alpha);
    BOOST_TEST_REQUIRE(step.size() == 3u);
    Index tokens = 0, samples = 0, supervised = 0;
    double weights = 0;
    for (const Batch& batch : step) {
      BOOST_TEST(batch.token_count() > 0);
      BOOST_TEST(batch.token_count() <= 120);
      tokens += batch.token_count();
      samples += batch.sample_count();
      supervised += static_cast<Index>(batch.targets.size());
      for (const float weight : batch.weights) weights += static_cast<double>(weight);
    }
    BOOST_TEST(size.tokens == tokens);
    BOOST_TEST(size.samples == samples);
    BOOST_TEST(size.supervised_tokens == supervised);
    BOOST_TEST(weights == 1.0, boost::test_tools::tolerance(1e-5));
    const bool all_equal = step[0].weights.front() == step[2].weights.back();
    BOOST_TEST((alpha != 0.0 || all_equal));
  }
}

BOOST_AUTO_TEST_CASE(an_epoch_holds_each_conversation_once) {
  const Files files;
  Loader loader({files.sources[0]}, processor(), {.context = 200, .micro_batches = 1});
  std::vector<Step> steps;
  while (loader.cursor().epoch == 0) {
    steps.emplace_back();
    loader.next_step(steps.back(), 0);
  }
  const std::vector<std::string> texts = samples_of(steps);
  const std::size_t taken = 20 + static_cast<std::size_t>(loader.cursor().position);
  BOOST_TEST(texts.size() == taken);
  const std::set<std::string> first_epoch(texts.begin(), texts.end());
  BOOST_TEST(first_epoch.size() == 20u);
}

BOOST_AUTO_TEST_CASE(the_order_does_not_depend_on_the_threads) {
  const Files files;
  const LoaderSettings settings{.context = 100, .micro_batches = 2};
  Loader loader(files.sources, processor(), settings);
  const std::vector<Step> expected = take(loader, 12);
  for (const int threads : {2, 5}) {
    LoaderSettings other = settings;
    other.threads = threads;
    other.steps_ahead = threads;
    Loader again(files.sources, processor(), other);
    BOOST_TEST(same_steps(take(again, 12), expected));
  }
  LoaderSettings reseeded = settings;
  reseeded.seed = 2;
  Loader other_order(files.sources, processor(), reseeded);
  BOOST_TEST(!same_steps(take(other_order, 12), expected));
}

BOOST_AUTO_TEST_CASE(resuming_at_any_step_gives_the_same_steps) {
  const Files files;
  const LoaderSettings settings{.context = 100, .micro_batches = 2};
  Loader loader(files.sources, processor(), settings);
  std::vector<std::string> saved;
  std::vector<Step> expected;
  for (int i = 0; i < 10; ++i) {
    saved.push_back(vlm::write_json(loader.save()));
    expected.push_back(take(loader, 1)[0]);
  }
  BOOST_TEST(loader.cursor().epoch >= 1);
  LoaderSettings other = settings;
  other.threads = 3;
  Loader resumed(files.sources, processor(), other);
  for (const std::size_t at : {7u, 0u, 3u, 9u}) {
    resumed.restore(vlm::parse_json(saved[at], "state.json"));
    BOOST_TEST(vlm::write_json(resumed.save()) == saved[at]);
    const std::vector<Step> steps = take(resumed, static_cast<int>(10 - at));
    for (std::size_t i = 0; i < steps.size(); ++i) BOOST_TEST(same_step(steps[i], expected[at + i]));
  }
}

BOOST_AUTO_TEST_CASE(a_cursor_of_other_data_is_refused) {
  const Files files;
  Loader loader(files.sources, processor(), {.context = 100});
  const auto restore = [&](const std::string& text) {
    return message_of([&] { loader.restore(vlm::parse_json(text, "state.json")); });
  };
  BOOST_TEST(
      restore(R"({"epoch": 0, "position": 0, "bad_lines": 0, "too_long": 0, "seed": 1, "epoch_size": 30})") ==
      "vlm::ConfigError [data-cursor]\n  file      state.json\n  at        epoch_size\n"
      "  expected  29, as in this run\n  got       30\n"
      "  try       the files, weights and seed that the saved run had");
  BOOST_TEST(restore(R"({"seed": 2, "epoch_size": 29})").find("at        seed") != std::string::npos);
  BOOST_TEST(
      restore(R"({"epoch": 0, "position": 29, "bad_lines": 0, "too_long": 0, "seed": 1, "epoch_size": 29})")
          .find("got       position 29 in epoch 0") != std::string::npos);
  BOOST_TEST(restore(R"({"seed": 1, "epoch_size": 29})").find("[json-missing]") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(memory_of_the_step_is_used_again) {
  const Files files;
  Loader loader(files.sources, processor(), {.context = 150, .micro_batches = 1});
  Step step;
  for (int i = 0; i < 10; ++i) loader.next_step(step, 0.5);
  const std::size_t capacity = step[0].tokens.capacity();
  const std::int32_t* memory = step[0].tokens.data();
  loader.next_step(step, 0.5);
  BOOST_TEST(step[0].tokens.capacity() == capacity);
  BOOST_TEST(step[0].tokens.data() == memory);
}

BOOST_AUTO_TEST_CASE(bad_lines_are_errors_or_left_out_and_counted) {
  const Folder folder;
  std::string text;
  for (int i = 0; i < 6; ++i) text += line_of({text_item("What is it?")}, std::to_string(i));
  const std::string path =
      folder.write("a.jsonl", text + "{\"messages\": 4}\n" + line_of({image_item("none.ppm")}, "7"));
  LoaderSettings settings{.context = 80, .threads = 2};
  const auto run_until_error = [&](Loader& loader) { return message_of([&] { take(loader, 20); }); };
  Loader strict({{path}}, processor(), settings);
  const std::string message = run_until_error(strict);
  BOOST_TEST(message.starts_with("vlm::DataError [data-line]\n  file      " + path + "\n  line      "),
             message);
  // The loader stands where the step began: the same error again, or with the line corrected, the step.
  const vlm::Cursor before = strict.cursor();
  BOOST_TEST(run_until_error(strict) == message);
  BOOST_TEST((strict.cursor() == before));

  settings.bad_line = Unusable::Skip;
  Loader patient({{path}}, processor(), settings);
  std::vector<Step> steps;
  while (patient.cursor().epoch == 0) {
    steps.emplace_back();
    patient.next_step(steps.back(), 0);
  }
  const std::vector<std::string> texts = samples_of(steps);
  BOOST_TEST(std::set<std::string>(texts.begin(), texts.end()).size() == 6u);
  const Index left_out = patient.cursor().bad_lines;
  BOOST_TEST(left_out >= 2);
  BOOST_TEST(static_cast<Index>(texts.size()) + left_out == 8 + patient.cursor().position);

  // One source may be patient by itself.
  settings.bad_line = Unusable::Refuse;
  vlm::Source lenient{path};
  lenient.bad_line = Unusable::Skip;
  Loader alone({lenient}, processor(), settings);
  BOOST_TEST(run_until_error(alone) == "no error");
  BOOST_TEST(alone.cursor().bad_lines > 0);
  const std::string other = folder.write("b.jsonl", "4\n" + line_of({text_item("What is it?")}, "8"));
  Loader both({lenient, {other}}, processor(), settings);
  BOOST_TEST(run_until_error(both).find(other + "\n  line      1\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(long_samples_are_errors_or_left_out_and_counted) {
  const Folder folder;
  const std::string path =
      folder.write("a.jsonl", line_of({text_item("What is it?")}, "A cat.") +
                                  line_of({text_item("What is it?")}, std::string(200, 'x')));
  LoaderSettings settings{.context = 60};
  Loader strict({{path}}, processor(), settings);
  BOOST_TEST(message_of([&] { take(strict, 3); })
                 .find("line      2\n  field     messages\n  expected  at most the "
                       "context of 60 tokens\n") != std::string::npos);
  settings.too_long = Unusable::Skip;
  Loader patient({{path}}, processor(), settings);
  for (const std::string& text : samples_of(take(patient, 3)))
    BOOST_TEST(text.find("A cat.") != std::string::npos);
  BOOST_TEST(patient.cursor().too_long >= 1);
  settings.context = 3;
  Loader hopeless({{path}}, processor(), settings);
  BOOST_TEST(message_of([&] { take(hopeless, 1); }) ==
             "vlm::DataError [data-empty]\n  expected  conversations that can be used\n"
             "  got       3 in a row that cannot\n"
             "  try       Unusable::Refuse, which says what is wrong with the first of them");
}

BOOST_AUTO_TEST_CASE(wrong_settings) {
  const Files files;
  for (const LoaderSettings& settings :
       {LoaderSettings{.context = 0}, LoaderSettings{.micro_batches = 0}, LoaderSettings{.threads = 0},
        LoaderSettings{.steps_ahead = 0}, LoaderSettings{.context = Index{1} << 40}})
    BOOST_TEST(message_of([&] {
                 Loader(files.sources, processor(), settings);
               }).starts_with("vlm::ConfigError [loader-settings]"));
}

BOOST_AUTO_TEST_SUITE_END()
