#include <vlm/ops/sample.hpp>

#include "ops/description.hpp"
#include "reference/sample.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct Sizes {
  Index rows, vocabulary;
  double spread = 3;          // of the logits
  Index different = 1 << 30;  // fewer different logits: many ties
};

// One kind of settings after the other, row by row.
SampleSettings settings_of_row(Index i) {
  const SampleSettings kinds[] = {
      {.temperature = 0, .repetition_penalty = 1.5f},
      {},
      {.temperature = 0.7f, .top_k = 20, .top_p = 0.8f, .presence_penalty = 1.5f},
      {.temperature = 1.3f, .top_p = 0.6f},
      {.temperature = 0.9f, .min_p = 0.05f, .frequency_penalty = 0.4f},
      {.top_k = 3},
      {.temperature = 0.6f, .top_k = 600, .top_p = 0.95f, .min_p = 0.01f, .repetition_penalty = 1.2f},
      {.temperature = 1.5f, .top_p = 0.97f, .min_p = 0.002f, .presence_penalty = -0.5f},
  };
  return kinds[i % 8];
}

reference::SampleSettings widened(const SampleSettings& s) {
  return {s.temperature,      s.top_k, s.top_p, s.min_p, s.repetition_penalty, s.presence_penalty,
          s.frequency_penalty};
}

Table row_of(const Table& table, Index i) {
  Table row(table.columns);
  for (Index j = 0; j < table.columns; ++j) row[j] = table(i, j);
  return row;
}

std::vector<reference::Seen> seen_by_row(const Tensors& t, Index i) {
  std::vector<reference::Seen> seen;
  for (Index j = t["offsets"].at(i); j < t["offsets"].at(i + 1); ++j)
    seen.push_back({t["seen"].at(j), t["counts"].at(j)});
  return seen;
}

Table scaled_row(const Tensors& t, Index i) {
  return reference::scaled_logits(row_of(t["logits"], i), widened(settings_of_row(t["kind"].at(i))),
                                  seen_by_row(t, i));
}

Description<Sizes> sampling() {
  return {
      .name = "sample",
      .message = message<SampleTokens>(),
      .sizes = {{0, 16},
                {1, 1},
                {8, 2},
                {16, 7},
                {17, 33},
                {24, 100},
                {9, 255},
                {16, 513},
                {24, 1000, 3, 5},
                {8, 5000, 1}},
      .benchmarks = {{"8 x 151936", {8, 151936}}},
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            Table logits = draw.normal(s.rows, s.vocabulary, s.spread);
            if (s.different < s.vocabulary) logits = draw.below(s.different, s.rows, s.vocabulary);
            t.input("logits", logits).by_row();
            Table kinds(s.rows), offsets(s.rows + 1), uniform(s.rows);
            std::vector<double> seen;
            for (Index i = 0; i < s.rows; ++i) {
              kinds[i] = static_cast<double>(i % 8);
              const Table tokens = draw.distinct(s.vocabulary, std::min<Index>(i % 5, s.vocabulary));
              seen.insert(seen.end(), tokens.values.begin(), tokens.values.end());
              offsets[i + 1] = static_cast<double>(seen.size());
            }
            const auto listed = static_cast<Index>(seen.size());
            t.input("kind", kinds).vector().integer().by_row();
            t.input("offsets", offsets).vector().integer();
            t.input("seen", table(listed, 1, seen)).vector().integer();
            t.input("counts", draw.below(4, listed)).vector().integer();
            // The middle of what chooses a token, so that rounding cannot change the choice.
            for (Index i = 0; i < s.rows; ++i) {
              const Table kept = reference::kept_probabilities(scaled_row(t, i), widened(settings_of_row(i)));
              reference::Choice choice;
              do {
                choice = reference::choose(kept, draw.below(1 << 24, 1)[0] / (1 << 24));
              } while (choice.above - choice.below < 1e-5);
              uniform[i] = static_cast<float>((choice.below + choice.above) / 2);
            }
            t.input("uniform", uniform).vector().by_row();
            t.output("tokens", s.rows, 1).vector().integer().by_row();
            t.output("log_probabilities", s.rows, 1).vector().by_row().optional();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes&, const Memory& m) {
            const View<const std::int32_t, 1, Cpu> kinds = m["kind"];
            std::vector<SampleSettings> settings;
            for (Index i = 0; i < kinds.rows(); ++i) settings.push_back(settings_of_row(kinds(i)));
            const SampleTokens<Cpu, float> operation{
                .logits = m["logits"],
                .settings = View<SampleSettings, 1, Cpu>(settings.data(), Shape<1>{{kinds.rows()}}),
                .uniform = m["uniform"],
                .seen_offsets = m["offsets"],
                .seen_tokens = m["seen"],
                .seen_counts = m["counts"],
                .tokens = m["tokens"],
                .log_probabilities = m["log_probabilities"]};
            check_sample(operation);
            runtime.run(operation);
          },
      .reference =
          [](const Sizes&, Tensors& t) {
            const Index rows = t["logits"].rows;
            Table tokens(rows), log_probabilities(rows);
            for (Index i = 0; i < rows; ++i) {
              const Table scaled = scaled_row(t, i);
              const Table kept =
                  reference::kept_probabilities(scaled, widened(settings_of_row(t["kind"].at(i))));
              const Index token = reference::choose(kept, t["uniform"][i]).token;
              tokens[i] = static_cast<double>(token);
              log_probabilities[i] = reference::log_probability(scaled, token);
            }
            t.result("tokens", tokens);
            t.result("log_probabilities", log_probabilities);
          },
      .cut =
          [](Tensors& t, Index first, Index count) {
            const Table all = t["offsets"];
            t.at("offsets").values =
                table(count + 1, 1, {all.values.begin() + first, all.values.begin() + first + count + 1});
          },
  };
}

// Rows of logits that are sampled with the same settings.
struct Rows {
  Index count, vocabulary;
  std::vector<float> logits, uniform;
  std::vector<SampleSettings> settings;
  std::vector<std::int32_t> tokens;
  std::vector<float> log_probabilities;
  std::vector<std::int32_t> offsets, seen, counts;

  Rows(std::vector<float> row, const SampleSettings& s, std::vector<float> numbers)
      : count(static_cast<Index>(numbers.size())),
        vocabulary(static_cast<Index>(row.size())),
        uniform(std::move(numbers)),
        settings(uniform.size(), s),
        tokens(uniform.size()),
        log_probabilities(uniform.size()) {
    for (Index i = 0; i < count; ++i) logits.insert(logits.end(), row.begin(), row.end());
  }
  SampleTokens<Cpu, float> operation() {
    const Shape<1> rows{{count}}, listed{{static_cast<Index>(seen.size())}};
    SampleTokens<Cpu, float> op{.logits = View<float, 2, Cpu>(logits.data(), Shape<2>{{count, vocabulary}}),
                                .settings = View<SampleSettings, 1, Cpu>(settings.data(), rows),
                                .uniform = View<float, 1, Cpu>(uniform.data(), rows),
                                .tokens = {tokens.data(), rows},
                                .log_probabilities = {log_probabilities.data(), rows}};
    if (!offsets.empty()) {
      op.seen_offsets =
          View<std::int32_t, 1, Cpu>(offsets.data(), Shape<1>{{static_cast<Index>(offsets.size())}});
      op.seen_tokens = View<std::int32_t, 1, Cpu>(seen.data(), listed);
      op.seen_counts = View<std::int32_t, 1, Cpu>(counts.data(), listed);
    }
    return op;
  }
  const std::vector<std::int32_t>& sample(int threads = 2) {
    Runtime<Cpu> runtime(threads);
    check_sample(operation());
    runtime.plan([&] { runtime.run(operation()); });
    runtime.run(operation());
    return tokens;
  }
};

using Tokens = std::vector<std::int32_t>;

std::vector<float> uniform_numbers(std::size_t count) {
  const Random random(20, "sampling");
  std::vector<float> numbers;
  for (std::size_t i = 0; i < count; ++i) numbers.push_back(random.uniform(i));
  return numbers;
}

// The message of what check_sample throws.
template <class Kind, class Change>
std::string refusal(Change&& change) {
  Rows rows({1, 2, 3}, {}, {0.5f, 0.5f});
  rows.offsets = {0, 1, 2};
  rows.seen = {0, 2};
  rows.counts = {1, 0};
  check_sample(rows.operation());
  SampleTokens<Cpu, float> operation = rows.operation();
  change(rows, operation);
  try {
    check_sample(operation);
  } catch (const Kind& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_sample)

VLM_OPERATION(sampling_agrees, sampling());

// Drawn often, tokens come as often as the reference says: Pearson's statistic stays below the value that chance
// exceeds once in 10^5 trials, and what is truncated never comes.
BOOST_AUTO_TEST_CASE(frequencies_are_those_of_the_distribution) {
  const std::vector<float> row = {0.3f, -1, 2, 1.1f, 0.5f, 1.9f, -3, 0.8f};
  const SampleSettings kinds[] = {{},
                                  {.temperature = 0.6f},
                                  {.top_k = 4},
                                  {.temperature = 1.4f, .top_p = 0.75f},
                                  {.min_p = 0.2f},
                                  {.temperature = 2, .top_k = 6, .top_p = 0.9f, .min_p = 0.3f}};
  const double draws = 40000;
  for (const SampleSettings& s : kinds) {
    Rows rows(row, s, uniform_numbers(static_cast<std::size_t>(draws)));
    std::vector<double> found(row.size());
    for (std::int32_t token : rows.sample()) ++found[static_cast<std::size_t>(token)];
    Table logits(static_cast<Index>(row.size()));
    for (Index i = 0; i < logits.count(); ++i)
      logits[i] = static_cast<double>(row[static_cast<std::size_t>(i)]);
    const Table kept =
        reference::kept_probabilities(reference::scaled_logits(logits, widened(s), {}), widened(s));
    double statistic = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const double expected = kept[static_cast<Index>(i)] * draws;
      if (expected == 0) BOOST_TEST(found[i] == 0);
      if (expected > 0) statistic += (found[i] - expected) * (found[i] - expected) / expected;
    }
    BOOST_TEST(statistic < 35.0);  // at most 7 degrees of freedom
  }
}

// The vocabulary of the released models, peaked and flat, against the full sort.
BOOST_AUTO_TEST_CASE(a_large_vocabulary_agrees) {
  const Index vocabulary = 151936;
  const SampleSettings kinds[] = {{.temperature = 0},
                                  {},
                                  {.temperature = 0.7f, .top_k = 20, .top_p = 0.8f},
                                  {.top_k = 5000, .top_p = 0.5f},
                                  {.top_p = 0.95f},
                                  {.min_p = 0.1f}};
  for (const double spread : {4.0, 0.1}) {
    Draw draw(static_cast<std::uint64_t>(10 * spread));
    const Table logits = rounded(draw.normal(1, vocabulary, spread));
    for (const SampleSettings& s : kinds) {
      const Table scaled = reference::scaled_logits(row_of(logits, 0), widened(s), {});
      const Table kept = reference::kept_probabilities(scaled, widened(s));
      std::vector<float> uniform;
      Tokens expected;
      for (const double near : {0.001, 0.3, 0.77}) {
        reference::Choice choice = reference::choose(kept, near);
        for (double u = near; choice.above - choice.below < 3e-6; u += 1e-5)
          choice = reference::choose(kept, u);
        uniform.push_back(static_cast<float>((choice.below + choice.above) / 2));
        expected.push_back(static_cast<std::int32_t>(choice.token));
      }
      Rows rows(std::vector<float>(logits.values.begin(), logits.values.end()), s, uniform);
      BOOST_TEST(rows.sample() == expected, boost::test_tools::per_element());
      for (std::size_t i = 0; i < expected.size(); ++i)
        BOOST_TEST(std::fabs(static_cast<double>(rows.log_probabilities[i]) -
                             reference::log_probability(scaled, expected[i])) < 1e-5);
      const std::vector<float> before = rows.log_probabilities;
      BOOST_TEST(rows.sample(7) == expected, boost::test_tools::per_element());
      BOOST_TEST(rows.log_probabilities == before, boost::test_tools::per_element());
    }
  }
}

// Equal logits: greedy takes the lowest index, top-k keeps all that equal the k-th, top-p keeps the lower indices.
BOOST_AUTO_TEST_CASE(ties) {
  const std::vector<float> numbers = {0, 0.3f, 0.6f, 0.99f};
  const std::vector<float> equal(4, 1.25f);
  BOOST_TEST(Rows(equal, {.temperature = 0}, numbers).sample() == (Tokens{0, 0, 0, 0}),
             boost::test_tools::per_element());
  BOOST_TEST(Rows(equal, {.top_k = 1}, numbers).sample() == (Tokens{0, 1, 2, 3}),
             boost::test_tools::per_element());
  BOOST_TEST(Rows(equal, {.top_p = 0.5f}, numbers).sample() == (Tokens{0, 0, 1, 1}),
             boost::test_tools::per_element());
  BOOST_TEST(Rows(equal, {.top_p = 0}, numbers).sample() == (Tokens{0, 0, 0, 0}),
             boost::test_tools::per_element());
  BOOST_TEST(Rows(equal, {.min_p = 1}, numbers).sample() == (Tokens{0, 1, 2, 3}),
             boost::test_tools::per_element());
  BOOST_TEST(Rows({0, 5, 1, 5}, {.temperature = 0}, numbers).sample() == (Tokens{1, 1, 1, 1}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_large_vocabulary_of_equals) {
  const std::vector<float> equal(151936, -2.0f);
  const std::vector<float> numbers = {0, 0.25f, 0.5f};
  BOOST_TEST(Rows(equal, {.top_k = 3}, numbers).sample() == (Tokens{0, 37984, 75968}),
             boost::test_tools::per_element());
  BOOST_TEST(Rows(equal, {.top_p = 0.5f}, numbers).sample() == (Tokens{0, 18992, 37984}),
             boost::test_tools::per_element());
}

// A row with one possible token gives it, however extreme; a row that is no distribution gives -1.
BOOST_AUTO_TEST_CASE(extreme_logits) {
  const float none = -INFINITY;
  for (const SampleSettings& s :
       {SampleSettings{.temperature = 0}, SampleSettings{},
        SampleSettings{.temperature = 1e-30f, .top_k = 2, .top_p = 0.9f, .min_p = 0.1f}}) {
    BOOST_TEST(Rows({none, none, -7, none}, s, {0.999f}).sample() == (Tokens{2}));
    BOOST_TEST(Rows({3e38f, -3e38f, 0, 1}, s, {0.999f}).sample() == (Tokens{0}));
    BOOST_TEST(Rows({-3e38f}, s, {0}).sample() == (Tokens{0}));
    for (const std::vector<float>& row :
         {std::vector<float>{none, none}, {1, NAN}, {NAN, NAN}, {0, INFINITY, 1}}) {
      Rows rows(row, s, {0.5f});
      BOOST_TEST(rows.sample() == (Tokens{-1}));
      BOOST_TEST(std::isnan(rows.log_probabilities[0]));
    }
  }
}

// A low temperature with many -infinities is still the greedy choice; a high one draws evenly.
BOOST_AUTO_TEST_CASE(extreme_temperatures) {
  const std::vector<float> row = {1, 1.5f, -INFINITY, 0};
  BOOST_TEST(Rows(row, {.temperature = 1e-4f}, {0, 0.5f, 0.999f}).sample() == (Tokens{1, 1, 1}),
             boost::test_tools::per_element());
  BOOST_TEST(Rows(row, {.temperature = 1e30f}, {0.3f, 0.4f, 0.7f}).sample() == (Tokens{0, 1, 3}),
             boost::test_tools::per_element());
}

// Repetition divides positive and multiplies negative logits of all listed tokens; presence and frequency act on
// those with a count.
BOOST_AUTO_TEST_CASE(penalties) {
  const auto chosen = [](const SampleSettings& s, std::vector<float> row) {
    Rows rows(std::move(row), s, {0});
    rows.offsets = {0, 2};
    rows.seen = {0, 1};
    rows.counts = {0, 3};
    return rows.sample()[0];
  };
  BOOST_TEST(chosen({.temperature = 0}, {5, 4, 3}) == 0);
  BOOST_TEST(chosen({.temperature = 0, .repetition_penalty = 2}, {5, 4, 3}) == 2);        // 2.5, 2, 3
  BOOST_TEST(chosen({.temperature = 0, .repetition_penalty = 2}, {-1, -4, -1.5f}) == 2);  // -2, -8, -1.5
  BOOST_TEST(chosen({.temperature = 0, .presence_penalty = 2}, {3, 4, 1}) == 0);          // 3, 2, 1
  BOOST_TEST(chosen({.temperature = 0, .presence_penalty = 2}, {1, 4, 1.5f}) == 1);       // 1, 2, 1.5
  BOOST_TEST(chosen({.temperature = 0, .frequency_penalty = 1}, {0, 4, 1.5f}) == 2);      // 0, 1, 1.5
}

BOOST_AUTO_TEST_CASE(wrong_settings_are_refused) {
  const auto message = [](const SampleSettings& s) -> std::string {
    try {
      check_sample_settings(s);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  BOOST_TEST(message({.temperature = -1}) ==
             "vlm::ConfigError [sample-settings]\n"
             "  setting   temperature\n"
             "  expected  a finite number from 0\n"
             "  got       -1.000000\n"
             "  try       the generation_config.json of the model");
  const auto names = [&](const SampleSettings& s, const char* setting) {
    BOOST_TEST(message(s).find(std::string("setting   ") + setting + "\n") != std::string::npos);
  };
  names({.temperature = NAN}, "temperature");
  names({.temperature = INFINITY}, "temperature");
  names({.top_k = -1}, "top_k");
  names({.top_p = 1.01f}, "top_p");
  names({.top_p = NAN}, "top_p");
  names({.min_p = -0.1f}, "min_p");
  names({.repetition_penalty = 0}, "repetition_penalty");
  names({.presence_penalty = INFINITY}, "presence_penalty");
  names({.frequency_penalty = NAN}, "frequency_penalty");
}

BOOST_AUTO_TEST_CASE(wrong_operations_are_refused) {
  using Operation = SampleTokens<Cpu, float>;
  BOOST_TEST(refusal<ShapeError>([](Rows&, Operation& op) { op.settings.extent[0] = 1; }) ==
             "vlm::ShapeError [sample-shape]\n"
             "  at        settings\n"
             "  expected  [2]\n"
             "  got       [1]\n"
             "  try       one entry for each row of the logits");
  BOOST_TEST(refusal<DataError>([](Rows& rows, Operation&) { rows.seen[1] = 3; }) ==
             "vlm::DataError [sample-list]\n"
             "  at        seen_tokens[1]\n"
             "  expected  a token below 3\n"
             "  got       3\n"
             "  try       list each earlier token of a row once, with its count");
  const auto at = [](const std::string& text, const char* where) {
    BOOST_TEST(text.find(std::string("at        ") + where + "\n") != std::string::npos);
  };
  at(refusal<ShapeError>([](Rows&, Operation& op) { op.uniform = {}; }), "uniform");
  at(refusal<ShapeError>([](Rows&, Operation& op) { op.seen_counts.extent[0] = 1; }), "seen_counts");
  at(refusal<ShapeError>([](Rows&, Operation& op) { op.logits.extent[1] = 0; }), "logits");
  at(refusal<DataError>([](Rows& rows, Operation&) { rows.uniform[1] = 1; }), "uniform[1]");
  at(refusal<DataError>([](Rows& rows, Operation&) { rows.offsets[1] = 5; }), "seen_offsets[1]");
  at(refusal<DataError>([](Rows& rows, Operation&) { rows.offsets[0] = 2; }), "seen_offsets[1]");
  at(refusal<DataError>([](Rows& rows, Operation&) { rows.counts[0] = -1; }), "seen_counts[0]");
}

BOOST_AUTO_TEST_SUITE_END()
