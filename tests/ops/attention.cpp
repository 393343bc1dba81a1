#include <vlm/ops/attention.hpp>

#include <vlm/ops/cpu/attention_tile.hpp>

#include "ops/description.hpp"
#include "reference/attention.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct Sizes {
  std::vector<double> queries, cached;  // of each sequence; keys that stand before its own, or none at all
  Index heads, kv_heads, head_dim;
  bool causal;
  double size = 1;  // of queries and keys: large ones make one key take all

  Index sequences() const { return static_cast<Index>(queries.size()); }
  Table offsets() const {
    Table offsets(sequences() + 1);
    for (Index s = 0; s < sequences(); ++s)
      offsets[s + 1] = offsets[s] + queries[static_cast<std::size_t>(s)];
    return offsets;
  }
  Index rows() const { return offsets().at(sequences()); }
  bool has_cache() const { return !cached.empty(); }
  // Every sequence owns as many cells, more than it uses.
  Index capacity() const {
    double most = 0;
    for (std::size_t s = 0; s < cached.size(); ++s) most = std::max(most, queries[s] + cached[s]);
    return static_cast<Index>(most) + 3;
  }
  Index keys() const { return has_cache() ? sequences() * capacity() : rows(); }
  float scale() const { return 1 / std::sqrt(static_cast<float>(head_dim)); }
};

const std::vector<Sizes> packed_sizes = {
    {{}, {}, 2, 1, 8, true},           {{1}, {}, 1, 1, 8, true},
    {{5}, {}, 2, 1, 24, true},         {{1, 7, 1, 13}, {}, 3, 3, 8, true},
    {{4, 0, 9}, {}, 6, 1, 8, true},    {{17, 3}, {}, 4, 2, 64, false},
    {{1, 1, 33}, {}, 2, 2, 72, false}, {{40, 29}, {}, 5, 1, 8, true, 8},
    {{19, 131}, {}, 2, 1, 128, true},  {{100}, {}, 3, 1, 24, false, 4},
    {{3, 2}, {}, 17, 17, 8, true},     {{3, 301}, {}, 3, 1, 8, true},
    {{270, 20}, {}, 1, 1, 24, false},  {{530}, {}, 4, 4, 8, true},
    {{3, 1100}, {}, 2, 1, 8, false}};

const std::vector<Sizes> cached_sizes = {
    {{1}, {0}, 1, 1, 8, true},
    {{1}, {70}, 6, 2, 24, true},
    {{0}, {4}, 2, 1, 8, true},
    {{1, 1, 1}, {5, 0, 33}, 4, 1, 64, true},
    {{2, 0, 1}, {3, 2, 9}, 17, 17, 8, true},
    {{3, 8}, {129, 2}, 2, 2, 72, true},
    {{9, 2}, {17, 40}, 2, 1, 128, false},
    {{21}, {200}, 5, 1, 8, true},
    {{1, 30}, {700, 500}, 2, 1, 24, true},
    {{1, 0, 2}, {9, 9, 270}, 15, 5, 8, true},
    // Spans: whole ones, one of a single key, queries on both sides of a border.
    {{1, 1}, {1023, 2047}, 4, 2, 8, true},
    {{1, 1}, {1024, 2100}, 4, 2, 8, true, 4},
    {{25}, {2040}, 2, 1, 8, true, 4}};

const std::vector<double> images(4, 256);
const std::vector<Benchmark<Sizes>> packed_benchmarks = {
    {"1024 causal, 16/8 heads of 128", {{1024}, {}, 16, 8, 128, true}},
    {"4 x 256 full, 16 heads of 64", {images, {}, 16, 16, 64, false}}};
const std::vector<Benchmark<Sizes>> cached_benchmarks = {
    {"1 of 1024, 16/8 heads of 128", {{1}, {1023}, 16, 8, 128, true}},
    {"64 of 1024, 16/8 heads of 128", {{64}, {960}, 16, 8, 128, true}}};
const std::vector<Benchmark<Sizes>> backward_benchmarks = {
    {"512 causal, 16/8 heads of 128", {{512}, {}, 16, 8, 128, true}},
    {"4 x 256 full, 16 heads of 64", {images, {}, 16, 16, 64, false}}};

// Of `flop_per_pair` for each feature of each query and key that it sees.
Work work_of(const Sizes& s, double flop_per_pair) {
  double pairs = 0;
  for (std::size_t i = 0; i < s.queries.size(); ++i) {
    const double queries = s.queries[i], keys = queries + (s.has_cache() ? s.cached[i] : 0);
    pairs += queries * keys - (s.causal ? queries * (queries - 1) / 2 : 0);
  }
  const auto heads = static_cast<double>(s.heads);
  return {.flop = flop_per_pair * pairs * heads * static_cast<double>(s.head_dim),
          .exponentials = pairs * heads};
}

constexpr const char* head_limits = "head size a multiple of 8";

reference::AttentionSizes reference_sizes(const Sizes& s, const Tensors& t) {
  return {.query_offsets = t["query_offsets"],
          .key_begin = t["key_begin"],
          .key_counts = t["key_counts"],
          .heads = s.heads,
          .kv_heads = s.kv_heads,
          .head_dim = s.head_dim,
          .scale = s.scale(),
          .causal = s.causal};
}

AttentionLayout<Cpu> layout(const Sizes& s, const Memory& m) {
  return {.query_offsets = m["query_offsets"],
          .key_begin = m["key_begin"],
          .key_counts = m["key_counts"],
          .heads = s.heads,
          .kv_heads = s.kv_heads,
          .head_dim = s.head_dim,
          .scale = s.scale(),
          .causal = s.causal};
}

void fill(const Sizes& s, Draw& draw, Tensors& t) {
  t.input("q", draw.normal(s.rows(), s.heads * s.head_dim, s.size));
  t.input("k", draw.normal(s.keys(), s.kv_heads * s.head_dim, s.size));
  t.input("v", draw.normal(s.keys(), s.kv_heads * s.head_dim));
  t.input("query_offsets", s.offsets()).vector().integer();
  if (!s.has_cache()) return;
  Table begin(s.sequences()), counts(s.sequences());
  for (Index i = 0; i < s.sequences(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    begin[i] = static_cast<double>(i * s.capacity());
    counts[i] = s.queries[at] + s.cached[at];
  }
  t.input("key_begin", begin).vector().integer();
  t.input("key_counts", counts).vector().integer();
}

Description<Sizes> forward(const std::vector<Sizes>& sizes) {
  return {
      .name = "attention forward",
      .message = message<AttentionForward>(),
      .limits = head_limits,
      .tolerance = product,
      .sizes = sizes,
      .work = [](const Sizes& s) { return work_of(s, 4); },
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            fill(s, draw, t);
            t.output("y", s.rows(), s.heads * s.head_dim);
            t.output("logsumexp", s.rows(), s.heads).optional();
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes& s, const Memory& m) {
            runtime.run(AttentionForward<Cpu, float>{.q = m["q"],
                                                     .k = m["k"],
                                                     .v = m["v"],
                                                     .y = m["y"],
                                                     .logsumexp = m["logsumexp"],
                                                     .layout = layout(s, m)});
          },
      .reference =
          [](const Sizes& s, Tensors& t) {
            const auto result = reference::attention(t["q"], t["k"], t["v"], reference_sizes(s, t));
            t.result("y", result.y);
            t.result("logsumexp", result.logsumexp);
          },
  };
}

Description<Sizes> rounded_forward() {
  Description<Sizes> description = forward({});
  description.run = [](Runtime<Cpu>& runtime, const Sizes& s, const Memory& m) {
    runtime.run(AttentionForward<Cpu, float>{.q = m["q"],
                                             .k = m["k"],
                                             .v = m["v"],
                                             .y = m["y"],
                                             .logsumexp = m["logsumexp"],
                                             .layout = layout(s, m),
                                             .rounded = true});
  };
  return description;
}

Description<Sizes> backward() {
  return {
      .name = "attention backward",
      .message = message<AttentionBackward>(),
      .limits = head_limits,
      .tolerance = product,
      .sizes = packed_sizes,
      .benchmarks = backward_benchmarks,
      .work = [](const Sizes& s) { return work_of(s, 10); },
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            fill(s, draw, t);
            const auto result = reference::attention(t["q"], t["k"], t["v"], reference_sizes(s, t));
            t.input("dy", draw.normal(s.rows(), s.heads * s.head_dim));
            t.input("y", rounded(result.y));
            t.input("logsumexp", rounded(result.logsumexp));
            t.output("dq", s.rows(), s.heads * s.head_dim);
            t.output("dk", s.keys(), s.kv_heads * s.head_dim);
            t.output("dv", s.keys(), s.kv_heads * s.head_dim);
          },
      .run =
          [](Runtime<Cpu>& runtime, const Sizes& s, const Memory& m) {
            runtime.run(AttentionBackward<Cpu, float>{.dy = m["dy"],
                                                      .y = m["y"],
                                                      .q = m["q"],
                                                      .k = m["k"],
                                                      .v = m["v"],
                                                      .logsumexp = m["logsumexp"],
                                                      .dq = m["dq"],
                                                      .dk = m["dk"],
                                                      .dv = m["dv"],
                                                      .layout = layout(s, m)});
          },
      .reference =
          [](const Sizes& s, Tensors& t) {
            const auto gradients =
                reference::attention_backward(t["dy"], t["q"], t["k"], t["v"], reference_sizes(s, t));
            t.result("dq", gradients.dq);
            t.result("dk", gradients.dk);
            t.result("dv", gradients.dv);
          },
      .objective =
          [](const Sizes& s, const Tensors& t) {
            return dot(t["dy"], reference::attention(t["q"], t["k"], t["v"], reference_sizes(s, t)).y);
          },
      .gradients = {{"q", "dq"}, {"k", "dk"}, {"v", "dv"}},
  };
}

Description<Sizes> packed_forward() {
  Description<Sizes> description = forward(packed_sizes);
  description.name += ", packed sequences";
  description.benchmarks = packed_benchmarks;
  return description;
}
Description<Sizes> cached_forward() {
  Description<Sizes> description = forward(cached_sizes);
  description.name += ", cached keys";
  description.benchmarks = cached_benchmarks;
  return description;
}

// Runs a description on tensors at hand; the tensors with their results.
Tensors run(const Description<Sizes>& d, Runtime<Cpu>& runtime, const Sizes& s, const Tensors& tensors) {
  const Memory memory(tensors, {.loose = true});
  runtime.plan([&] { d.run(runtime, s, memory); });
  d.run(runtime, s, memory);
  return memory.read(tensors);
}

// The tensors of sequence s of a packed case.
Tensors alone(const Sizes& sizes, const Tensors& packed, Index sequence) {
  const Table offsets = sizes.offsets();
  const Index first = offsets.at(sequence), count = offsets.at(sequence + 1) - first;
  Tensors part = packed;
  for (Tensor& tensor : part.all)
    tensor.values = tensor.name == "query_offsets" ? table(2, 1, {0, static_cast<double>(count)})
                                                   : tests::detail::rows_of(tensor.values, first, count);
  return part;
}

// Queries [first, first + count) of one sequence, against all the keys before them.
Tensors chunk(const Tensors& whole, Index first, Index count) {
  Tensors part = whole;
  for (Tensor& tensor : part.all)
    if (tensor.name == "q" || tensor.name == "y" || tensor.name == "logsumexp")
      tensor.values = tests::detail::rows_of(tensor.values, first, count);
  part.at("query_offsets").values = table(2, 1, {0, static_cast<double>(count)});
  part.input("key_begin", table(1, 1, {0})).vector().integer();
  part.input("key_counts", table(1, 1, {static_cast<double>(first + count)})).vector().integer();
  return part;
}

void check_same_rows(const Tensors& part, const Tensors& whole, Index first,
                     const std::vector<std::string>& names) {
  for (const std::string& name : names)
    BOOST_CHECK_MESSAGE(
        tests::detail::same_bits(part[name], tests::detail::rows_of(whole[name], first, part[name].rows)),
        name << " of the " << part[name].rows << " rows from " << first << " has other bits");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_attention)

VLM_OPERATION(packed_forward_agrees, packed_forward());
VLM_OPERATION(cached_forward_agrees, cached_forward());
VLM_OPERATION(backward_agrees, backward());

BOOST_AUTO_TEST_CASE(packed_sequences_keep_the_bits_of_each_alone) {
  for (IsaLevel level : tests::detail::levels()) {
    Runtime<Cpu> runtime(2, level);
    for (const Sizes& sizes : packed_sizes) {
      Draw draw(11);
      Tensors forwards, backwards;
      forward({}).tensors(sizes, draw, forwards);
      backward().tensors(sizes, draw, backwards);
      const Tensors y = run(forward({}), runtime, sizes, forwards);
      const Tensors gradients = run(backward(), runtime, sizes, backwards);
      const Table offsets = sizes.offsets();
      for (Index s = 0; s < sizes.sequences(); ++s)
        BOOST_TEST_CONTEXT("level " << name_of(level) << "," << forwards.text() << ", sequence " << s) {
          const Index first = offsets.at(s);
          check_same_rows(run(forward({}), runtime, sizes, alone(sizes, forwards, s)), y, first,
                          {"y", "logsumexp"});
          check_same_rows(run(backward(), runtime, sizes, alone(sizes, backwards, s)), gradients, first,
                          {"dq", "dk", "dv"});
        }
    }
  }
}

// Rounding costs a few of the last bits of bf16, only where the processor gains by it, and changes nothing else.
BOOST_AUTO_TEST_CASE(rounded_products_are_near) {
  for (IsaLevel level : tests::detail::levels()) {
    Runtime<Cpu> runtime(2, level), other(3, level);
    const bool rounds = cpu::attention::multiplies_pairs(level);
    for (const Sizes& sizes : packed_sizes) {
      Draw draw(15);
      Tensors tensors;
      forward({}).tensors(sizes, draw, tensors);
      const Tensors exact = run(forward({}), runtime, sizes, tensors),
                    y = run(rounded_forward(), runtime, sizes, tensors);
      BOOST_TEST_CONTEXT("level " << name_of(level) << "," << tensors.text()) {
        const bool few = std::all_of(sizes.queries.begin(), sizes.queries.end(), [&](double queries) {
          return queries * static_cast<double>(sizes.heads / sizes.kv_heads) <= 12;
        });
        BOOST_TEST(tests::detail::same_bits(y["y"], exact["y"]) == (!rounds || few));
        for (const auto& [name, most] : {std::pair{"y", 0.02}, {"logsumexp", 0.01}}) {
          double difference = 0, size = 0;
          for (Index i = 0; i < exact[name].rows * exact[name].columns; ++i) {
            difference += std::pow(y[name][i] - exact[name][i], 2);
            size += std::pow(exact[name][i], 2);
          }
          BOOST_TEST(std::sqrt(difference) <= most * std::sqrt(size) * sizes.size);
        }
        check_same_rows(run(rounded_forward(), other, sizes, tensors), y, 0, {"y", "logsumexp"});
        const Table offsets = sizes.offsets();
        for (Index s = 0; s < sizes.sequences(); ++s)
          check_same_rows(run(rounded_forward(), runtime, sizes, alone(sizes, tensors, s)), y, offsets.at(s),
                          {"y", "logsumexp"});
      }
    }
  }
}

// Prefill at once, in chunks that end anywhere, and one query at a time.
BOOST_AUTO_TEST_CASE(chunks_keep_the_bits_of_the_whole) {
  const std::vector<Sizes> whole_sizes = {{{37}, {}, 2, 1, 8, true},
                                          {{70}, {}, 6, 1, 24, true},
                                          {{150}, {}, 2, 2, 64, true},
                                          {{140}, {}, 4, 2, 72, true},
                                          {{300}, {}, 1, 1, 8, true}};
  for (IsaLevel level : tests::detail::levels()) {
    Runtime<Cpu> runtime(2, level);
    for (const Sizes& sizes : whole_sizes) {
      Draw draw(12);
      Tensors tensors;
      forward({}).tensors(sizes, draw, tensors);
      const Tensors whole = run(forward({}), runtime, sizes, tensors);
      const Index rows = sizes.rows();
      BOOST_TEST_CONTEXT("level " << name_of(level) << "," << tensors.text()) {
        for (Index first = 0; first < rows; ++first)
          check_same_rows(run(forward({}), runtime, sizes, chunk(tensors, first, 1)), whole, first,
                          {"y", "logsumexp"});
        for (Index border = 1; border < rows; border += 5) {
          const Index part = std::min<Index>(border % 23 + 2, rows - border);
          check_same_rows(run(forward({}), runtime, sizes, chunk(tensors, 0, border)), whole, 0,
                          {"y", "logsumexp"});
          check_same_rows(run(forward({}), runtime, sizes, chunk(tensors, border, part)), whole, border,
                          {"y", "logsumexp"});
          check_same_rows(run(forward({}), runtime, sizes, chunk(tensors, border, rows - border)), whole,
                          border, {"y", "logsumexp"});
        }
      }
    }
  }
}

// Cells after the last key may hold anything: they are not filled yet.
BOOST_AUTO_TEST_CASE(unfilled_cells_are_not_read) {
  const Sizes sizes{{3, 1}, {20, 9}, 2, 1, 24, true};
  for (IsaLevel level : tests::detail::levels()) {
    Runtime<Cpu> runtime(2, level);
    Draw draw(13);
    Tensors tensors;
    forward({}).tensors(sizes, draw, tensors);
    const Tensors expected = run(forward({}), runtime, sizes, tensors);
    for (const char* name : {"k", "v"})
      for (Index s = 0; s < sizes.sequences(); ++s)
        for (Index cell = tensors["key_counts"].at(s); cell < sizes.capacity(); ++cell)
          for (Index j = 0; j < tensors[name].columns; ++j)
            tensors.at(name).values(s * sizes.capacity() + cell, j) = NAN;
    check_same_rows(run(forward({}), runtime, sizes, tensors), expected, 0, {"y", "logsumexp"});
  }
}

// A query that sees one key takes its value, whatever the score.
BOOST_AUTO_TEST_CASE(one_key_is_copied) {
  const Sizes sizes{{1}, {}, 1, 1, 8, true, 1000};
  Draw draw(14);
  Tensors tensors;
  forward({}).tensors(sizes, draw, tensors);
  Runtime<Cpu> runtime(1);
  const Tensors result = run(forward({}), runtime, sizes, tensors);
  BOOST_TEST(result["y"].values == tensors["v"].values, boost::test_tools::per_element());
  const double score = static_cast<double>(sizes.scale()) * dot(tensors["q"], tensors["k"]);
  BOOST_TEST(result["logsumexp"][0] == score, boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_SUITE_END()
