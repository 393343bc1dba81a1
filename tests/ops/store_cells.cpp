#include <vlm/ops/store_cells.hpp>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include <vlm/core/random.hpp>
#include <vlm/core/runtime.hpp>
#include <vlm/ops/attention.hpp>
#include <vlm/ops/cpu/attention.hpp>

#include "ops/description.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

constexpr Index page_cells = CellPages<Cpu>::cells;

std::vector<float> drawn(Index count, std::uint64_t stream) {
  const Random random(5, stream);
  std::vector<float> values;
  for (Index i = 0; i < count; ++i) values.push_back(random.normal(static_cast<std::uint64_t>(i)));
  return values;
}

template <class T>
View<T, 2, Cpu> rows_of(std::vector<std::remove_const_t<T>>& values, Index features) {
  return {values.data(), Shape<2>{{static_cast<Index>(values.size()) / features, features}}};
}

// Pages of some sequences, in an order of their own.
struct Paged {
  std::vector<std::vector<std::byte>> memory;
  std::vector<std::byte*> table;
  std::vector<std::int32_t> first, places;
  CellPages<Cpu> pages;

  Paged(const std::vector<Index>& keys, CellFormat format, Index heads, Index head_dim, Index blocks) {
    pages.format = format;
    pages.heads = heads;
    pages.head_dim = head_dim;
    for (const Index count : keys) {
      first.push_back(static_cast<std::int32_t>(memory.size()));
      for (Index cell = 0; cell < count; ++cell)
        places.push_back(static_cast<std::int32_t>(static_cast<Index>(memory.size()) * page_cells + cell));
      for (Index page = 0; page < (count + page_cells - 1) / page_cells; ++page)
        memory.emplace_back(pages.page_bytes(blocks), std::byte{0xff});  // NaN where nothing is written
    }
    for (auto& page : memory) table.push_back(page.data());
    pages.table = {table.data(), Shape<1>{{static_cast<Index>(table.size())}}};
    pages.first = {first.data(), Shape<1>{{static_cast<Index>(first.size())}}};
    pages.places = {places.data(), Shape<1>{{static_cast<Index>(places.size())}}};
  }
};

// The number that a cell holds.
float stored(const Paged& paged, Index place, Index block, Index head, bool is_value, Index j) {
  const Index cell = place % page_cells, head_dim = paged.pages.head_dim;
  const std::byte* part =
      paged.table[static_cast<std::size_t>(place / page_cells)] + paged.pages.offset(block, head, is_value);
  const bool paired = paged.pages.format == CellFormat::BF16;
  const auto place_of = [paired](Index k, Index other, Index others) {  // of summed number k
    return paired ? (k / 2 * others + other) * 2 + k % 2 : k * others + other;
  };
  const Index at = is_value ? place_of(cell, j, head_dim) : place_of(j, cell, page_cells);
  switch (paged.pages.format) {
    case CellFormat::F32:
      return reinterpret_cast<const float*>(part)[at];
    case CellFormat::BF16:
      return static_cast<float>(reinterpret_cast<const bf16*>(part)[at]);
    case CellFormat::I8:
      break;
  }
  const auto number = static_cast<float>(reinterpret_cast<const std::int8_t*>(part)[at]);
  return number * reinterpret_cast<const float*>(part + paged.pages.scales_offset())[cell];
}

constexpr CellFormat formats[] = {CellFormat::F32, CellFormat::BF16, CellFormat::I8};

struct Sizes {
  Index rows, pages, heads, head_dim;
};

// Into block 1 of 2, in f32; each row of `into` is a page.
Description<Sizes> store() {
  return {.name = "store cells",
          .message = message<StoreCells>(),
          .tolerance = 0,
          .sizes = {{0, 1, 1, 8},
                    {1, 1, 1, 1},
                    {9, 2, 2, 64},
                    {17, 1, 1, 7},
                    {50, 1, 3, 11},
                    {130, 3, 3, 8},
                    {3, 5, 4, 32}},
          .benchmarks = {{"256 of 512 x 1024", {256, 8, 8, 128}}},
          .work =
              [](const Sizes& s) {
                return Work{.bytes = 4 * static_cast<double>(s.rows * s.heads * s.head_dim) * 4};
              },
          .tensors =
              [](const Sizes& s, Draw& draw, Tensors& t) {
                t.input("at", draw.distinct(s.pages * page_cells, s.rows)).vector().integer();
                t.input("keys", draw.normal(s.rows, s.heads * s.head_dim));
                t.input("values", draw.normal(s.rows, s.heads * s.head_dim));
                t.replaced("into", draw.normal(s.pages, 4 * page_cells * s.heads * s.head_dim));
              },
          .run =
              [](Runtime<Cpu>& runtime, const Sizes& s, const Memory& m) {
                const View<float, 2, Cpu> into = m["into"];
                std::vector<std::byte*> table;
                for (Index page = 0; page < s.pages; ++page)
                  table.push_back(reinterpret_cast<std::byte*>(into.row(page)));
                runtime.run(StoreCells<Cpu, float>{.keys = m["keys"],
                                                   .values = m["values"],
                                                   .pages = {.table = {table.data(), Shape<1>{{s.pages}}},
                                                             .places = m["at"],
                                                             .heads = s.heads,
                                                             .head_dim = s.head_dim},
                                                   .block = 1});
              },
          .reference =
              [](const Sizes& s, Tensors& t) {
                reference::Table into = t["into"];
                const Index part = page_cells * s.head_dim;
                for (Index i = 0; i < s.rows; ++i)
                  for (Index head = 0; head < s.heads; ++head)
                    for (Index j = 0; j < s.head_dim; ++j) {
                      const Index place = t["at"].at(i), page = place / page_cells, cell = place % page_cells;
                      const Index keys = 2 * (s.heads + head) * part, from = head * s.head_dim + j;
                      into(page, keys + j * page_cells + cell) = t["keys"](i, from);
                      into(page, keys + part + cell * s.head_dim + j) = t["values"](i, from);
                    }
                t.result("into", into);
              }};
}

struct Packed {
  std::vector<Index> queries, keys;
  Index heads, kv_heads, head_dim;
};

// Attention of packed sequences over pages, and over rows of the numbers that the pages hold.
struct PagedAttention {
  Index narrow, wide, key_count = 0;
  std::vector<std::int32_t> offsets{0}, begins, counts;
  Paged paged;
  std::vector<float> q, k, v, y;
  AttentionForward<Cpu, float> op;

  PagedAttention(const Packed& sizes, CellFormat format)
      : narrow(sizes.kv_heads * sizes.head_dim),
        wide(sizes.heads * sizes.head_dim),
        paged(sizes.keys, format, sizes.kv_heads, sizes.head_dim, 3) {
    for (std::size_t s = 0; s < sizes.keys.size(); ++s) {
      begins.push_back(static_cast<std::int32_t>(key_count));
      counts.push_back(static_cast<std::int32_t>(sizes.keys[s]));
      key_count += sizes.keys[s];
      offsets.push_back(offsets.back() + static_cast<std::int32_t>(sizes.queries[s]));
    }
    q = drawn(offsets.back() * wide, 1);
    k = drawn(key_count * narrow, 2);
    v = drawn(key_count * narrow, 3);
    y.resize(q.size());
    const auto view = [](const std::vector<std::int32_t>& list) {
      return View<const std::int32_t, 1, Cpu>(list.data(), Shape<1>{{static_cast<Index>(list.size())}});
    };
    op = {.q = rows_of<float>(q, wide),
          .k = rows_of<float>(k, narrow),
          .v = rows_of<float>(v, narrow),
          .y = rows_of<float>(y, wide),
          .layout = {.query_offsets = view(offsets),
                     .key_begin = view(begins),
                     .key_counts = view(counts),
                     .heads = sizes.heads,
                     .kv_heads = sizes.kv_heads,
                     .head_dim = sizes.head_dim,
                     .scale = 0.2f}};
  }
  PagedAttention(const PagedAttention&) = delete;
  PagedAttention& operator=(const PagedAttention&) = delete;

  void store(Runtime<Cpu>& runtime) {
    runtime.run(StoreCells<Cpu, float>{.keys = op.k, .values = op.v, .pages = paged.pages, .block = 2});
  }
  // k and v become what the cells hold.
  void take_stored() {
    const Index head_dim = op.layout.head_dim;
    for (Index row = 0; row < key_count; ++row)
      for (Index j = 0; j < narrow; ++j)
        for (const bool is_value : {false, true})
          (is_value ? v : k)[static_cast<std::size_t>(row * narrow + j)] = stored(
              paged, paged.places[static_cast<std::size_t>(row)], 2, j / head_dim, is_value, j % head_dim);
  }
  std::vector<float> over_rows(Runtime<Cpu>& runtime) { return run(runtime, op); }
  std::vector<float> over_pages(Runtime<Cpu>& runtime) {
    AttentionForward<Cpu, float> paging = op;
    paging.k = paging.v = {};
    paging.pages = paged.pages;
    paging.block = 2;
    return run(runtime, paging);
  }

 private:
  std::vector<float> run(Runtime<Cpu>& runtime, const AttentionForward<Cpu, float>& operation) {
    runtime.plan([&] { runtime.run(operation); });
    runtime.run(operation);
    return y;
  }
};

struct Cells {
  CellFormat format;
  Index head_dim;
  bool rounded = false;
};

// || ours - exact || / || exact ||.
double relative_error(const std::vector<float>& ours, const std::vector<float>& exact) {
  double squares = 0, errors = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double difference = static_cast<double>(ours[i]) - exact[i];
    squares += static_cast<double>(exact[i]) * exact[i];
    errors += difference * difference;
  }
  return std::sqrt(errors / squares);
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_store_cells)

VLM_OPERATION(store_agrees, store());

// Each number as near as the format has it: in int8 half a step of 1/127 of the head's largest.
BOOST_AUTO_TEST_CASE(rows_take_their_cells) {
  constexpr Index heads = 3, head_dim = 8, features = heads * head_dim;
  for (const CellFormat format : formats) {
    Paged paged({70, 3}, format, heads, head_dim, 2);
    std::vector<float> keys = drawn(73 * features, 1), values = drawn(73 * features, 2);
    for (Index j = 0; j < head_dim; ++j) keys[static_cast<std::size_t>(features + j)] = 0;
    Runtime<Cpu> runtime(2);
    runtime.run(StoreCells<Cpu, float>{.keys = rows_of<float>(keys, features),
                                       .values = rows_of<float>(values, features),
                                       .pages = paged.pages,
                                       .block = 1});
    for (Index row = 0; row < 73; ++row)
      for (Index head = 0; head < heads; ++head)
        for (const bool is_value : {false, true}) {
          const float* given = (is_value ? values : keys).data() + row * features + head * head_dim;
          float most = 0;
          for (Index j = 0; j < head_dim; ++j) most = std::max(most, std::abs(given[j]));
          for (Index j = 0; j < head_dim; ++j) {
            const float held =
                stored(paged, paged.places[static_cast<std::size_t>(row)], 1, head, is_value, j);
            const float expected = format == CellFormat::F32    ? given[j]
                                   : format == CellFormat::BF16 ? static_cast<float>(bf16(given[j]))
                                                                : held;
            BOOST_TEST(held == expected);
            BOOST_TEST(std::abs(held - given[j]) <= (format == CellFormat::I8 ? most / 253.9f : most / 255));
          }
        }
    for (const auto& page : paged.memory)  // the other block's part is as it was
      for (std::size_t i = 0; i < paged.pages.offset(1, 0, false); ++i)
        BOOST_REQUIRE(page[i] == std::byte{0xff});
  }
}

BOOST_AUTO_TEST_CASE(int8_hides_no_nan_and_takes_the_smallest_for_zero) {
  constexpr Index head_dim = 8;
  Paged paged({3}, CellFormat::I8, 1, head_dim, 1);
  std::vector<float> keys(3 * head_dim, 1.0f), values(3 * head_dim, 1e-31f);
  keys[3] = std::numeric_limits<float>::quiet_NaN();
  keys[head_dim + 5] = -std::numeric_limits<float>::infinity();
  keys[2 * head_dim + 7] = -3.4e38f;
  Runtime<Cpu> runtime(1);
  runtime.run(StoreCells<Cpu, float>{.keys = rows_of<float>(keys, head_dim),
                                     .values = rows_of<float>(values, head_dim),
                                     .pages = paged.pages});
  for (Index j = 0; j < head_dim; ++j) {
    BOOST_TEST(std::isnan(stored(paged, 0, 0, 0, false, j)));
    BOOST_TEST(std::isnan(stored(paged, 1, 0, 0, false, j)));
    BOOST_TEST(stored(paged, 2, 0, 0, false, j) == (j == 7 ? -3.4e38f : 0.0f),
               boost::test_tools::tolerance(1e-6f));
    BOOST_TEST(stored(paged, 0, 0, 0, true, j) == 0.0f);
  }
}

// Attention over pages has the bits of attention over rows of the stored numbers, few queries or many; in int8, whose
// scales multiply scores and weights instead of numbers, it is as near as f32 is.
BOOST_AUTO_TEST_CASE(attention_reads_pages_as_rows) {
  const std::vector<Packed> all = {{{1}, {1}, 1, 1, 8},
                                   {{1}, {70}, 6, 2, 24},
                                   {{2, 1}, {300, 65}, 4, 4, 16},
                                   {{40, 3}, {200, 128}, 6, 2, 72},
                                   {{130}, {130}, 2, 1, 128},
                                   {{1, 1, 1}, {64, 63, 400}, 15, 5, 8},
                                   {{30, 1}, {1100, 2060}, 4, 2, 8}};
  for (const IsaLevel level : tests::detail::levels())
    for (const CellFormat format : formats)
      for (const Packed& sizes : all) {
        PagedAttention attention(sizes, format);
        Runtime<Cpu> runtime(2, level);
        attention.store(runtime);
        attention.take_stored();
        const std::vector<float> expected = attention.over_rows(runtime),
                                 ours = attention.over_pages(runtime);
        BOOST_TEST_CONTEXT(name_of(level) << ", " << name_of(format) << ", keys " << attention.key_count) {
          if (format != CellFormat::I8) BOOST_TEST(same_bits(ours, expected));
          double difference = 0, largest = 0;
          for (std::size_t i = 0; i < ours.size(); ++i) {
            difference = std::max(difference, std::abs(static_cast<double>(ours[i]) - expected[i]));
            largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
          }
          BOOST_TEST(difference <= 2e-6 * largest);
        }
      }
}

// Rounded attention over bf16 cells has the bits of rounded attention over many rows, whatever the number of queries, and
// is as near to the exact one as rounding of queries and weights allows; elsewhere the operation is exact.
BOOST_AUTO_TEST_CASE(rounded_attention_over_pages) {
  const std::vector<Packed> all = {{{1}, {3}, 16, 1, 16},
                                   {{40, 3}, {201, 128}, 6, 2, 64},
                                   {{130}, {130}, 2, 1, 128},
                                   {{13, 1, 7}, {64, 63, 400}, 16, 1, 32},
                                   {{30, 1}, {1101, 2060}, 4, 2, 16},
                                   {{9}, {77}, 4, 2, 24}};
  for (const IsaLevel level : tests::detail::levels())
    for (const CellFormat format : formats)
      for (const Packed& sizes : all) {
        PagedAttention attention(sizes, format);
        Runtime<Cpu> runtime(2, level);
        attention.store(runtime);
        attention.take_stored();
        const std::vector<float> exact = attention.over_pages(runtime);
        attention.op.rounded = true;
        const std::vector<float> ours = attention.over_pages(runtime), rows = attention.over_rows(runtime);
        BOOST_TEST_CONTEXT(name_of(level) << ", " << name_of(format) << ", keys " << attention.key_count) {
          const bool rounds = cpu::attention::multiplies_pairs(level) && format == CellFormat::BF16 &&
                              sizes.head_dim % 16 == 0;
          BOOST_TEST(same_bits(ours, exact) == !rounds);
          BOOST_TEST(relative_error(ours, exact) < 0.01);
          const Index group = sizes.heads / sizes.kv_heads;
          for (std::size_t s = 0; rounds && s < sizes.queries.size(); ++s) {
            if (sizes.queries[s] * group <= cpu::attention::few_rows) continue;
            const auto begin = static_cast<std::size_t>(attention.offsets[s] * attention.wide),
                       end = static_cast<std::size_t>(attention.offsets[s + 1] * attention.wide);
            BOOST_TEST(std::memcmp(&ours[begin], &rows[begin], (end - begin) * sizeof(float)) == 0);
          }
        }
      }
}

// What int8 costs attention itself, of keys and values drawn from a normal distribution.
BOOST_AUTO_TEST_CASE(int8_cells_are_near_f32) {
  PagedAttention attention({{5}, {700}, 4, 2, 128}, CellFormat::I8);
  Runtime<Cpu> runtime(1);
  attention.store(runtime);
  const std::vector<float> exact = attention.over_rows(runtime), ours = attention.over_pages(runtime);
  BOOST_TEST(relative_error(ours, exact) < 0.02);
}

// Queries one by one, some together, all together; any number of threads, which are more than key heads or fewer.
BOOST_AUTO_TEST_CASE(chunks_and_threads_keep_the_bits_of_pages) {
  for (const IsaLevel level : tests::detail::levels())
    for (const auto& [format, head_dim, rounded] : {Cells{CellFormat::F32, 24},
                                                    {CellFormat::BF16, 24},
                                                    {CellFormat::BF16, 32, true},
                                                    {CellFormat::I8, 24}})
      for (const auto& [heads, kv_heads] : {std::pair<Index, Index>{2, 1}, {6, 3}}) {
        const std::vector<Index> keys = {2201, 900};
        PagedAttention whole({{20, 20}, keys, heads, kv_heads, head_dim}, format);
        whole.op.rounded = rounded;
        Runtime<Cpu> runtime(1, level);
        whole.store(runtime);
        const std::vector<float> expected = whole.over_pages(runtime);
        for (const int threads : {1, 2, 3, 4, 7})
          for (const Index count : {1, 3, 20}) {  // the last so many queries of both sequences
            PagedAttention part({{count, count}, keys, heads, kv_heads, head_dim}, format);
            part.op.rounded = rounded;
            Runtime<Cpu> some(threads, level);
            part.store(some);
            std::vector<float> q, y;
            for (const Index end : {20, 40}) {
              const auto rows = [&](const std::vector<float>& all) {
                return std::vector<float>(all.begin() + (end - count) * whole.wide,
                                          all.begin() + end * whole.wide);
              };
              const std::vector<float> some_q = rows(whole.q), some_y = rows(expected);
              q.insert(q.end(), some_q.begin(), some_q.end());
              y.insert(y.end(), some_y.begin(), some_y.end());
            }
            std::copy(q.begin(), q.end(), part.q.begin());
            BOOST_TEST_CONTEXT(name_of(level)
                               << ", " << name_of(format) << ", " << threads << " threads, " << count)
            BOOST_TEST(same_bits(part.over_pages(some), y));
          }
      }
}

BOOST_AUTO_TEST_SUITE_END()
