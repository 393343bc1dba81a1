#include <vlm/ops/store_cells.hpp>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <vector>

#include <vlm/core/random.hpp>
#include <vlm/core/runtime.hpp>
#include <vlm/ops/attention.hpp>

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

  Paged(const std::vector<Index>& keys, CellFormat format, Index features, Index blocks) {
    pages.format = format;
    pages.features = features;
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

struct Sizes {
  Index rows, pages, features;
};

// Into block 1 of 2, in f32; each row of `into` is a page.
Description<Sizes> store() {
  return {
      .name = "store cells",
      .message = message<StoreCells>(),
      .tolerance = 0,
      .sizes = {{0, 1, 8}, {1, 1, 1}, {9, 2, 64}, {17, 1, 7}, {50, 1, 33}, {130, 3, 24}, {3, 5, 128}},
      .benchmarks = {{"256 of 512 x 1024", {256, 8, 1024}}},
      .work = [](const Sizes& s) { return Work{.bytes = 4 * static_cast<double>(s.rows * s.features) * 4}; },
      .tensors =
          [](const Sizes& s, Draw& draw, Tensors& t) {
            t.input("at", draw.distinct(s.pages * page_cells, s.rows)).vector().integer();
            t.input("keys", draw.normal(s.rows, s.features));
            t.input("values", draw.normal(s.rows, s.features));
            t.replaced("into", draw.normal(s.pages, 4 * page_cells * s.features));
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
                                                         .features = s.features},
                                               .block = 1});
          },
      .reference =
          [](const Sizes& s, Tensors& t) {
            reference::Table into = t["into"];
            const Index part = page_cells * s.features;
            for (Index i = 0; i < s.rows; ++i) {
              const Index place = t["at"].at(i), page = place / page_cells,
                          column = place % page_cells * s.features;
              for (Index j = 0; j < s.features; ++j) {
                into(page, 2 * part + column + j) = t["keys"](i, j);
                into(page, 3 * part + column + j) = t["values"](i, j);
              }
            }
            t.result("into", into);
          }};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ops_store_cells)

VLM_OPERATION(store_agrees, store());

BOOST_AUTO_TEST_CASE(rows_take_their_cells) {
  constexpr Index features = 24, blocks = 2;
  for (const CellFormat format : {CellFormat::F32, CellFormat::BF16}) {
    Paged paged({70, 3}, format, features, blocks);
    std::vector<float> keys = drawn(73 * features, 1), values = drawn(73 * features, 2);
    Runtime<Cpu> runtime(2);
    runtime.run(StoreCells<Cpu, float>{.keys = rows_of<float>(keys, features),
                                       .values = rows_of<float>(values, features),
                                       .pages = paged.pages,
                                       .block = 1});
    for (Index row = 0; row < 73; ++row)
      for (Index j = 0; j < features; ++j)
        for (const bool is_value : {false, true}) {
          const Index place = paged.places[static_cast<std::size_t>(row)];
          const std::byte* at = paged.table[static_cast<std::size_t>(place / page_cells)] +
                                paged.pages.offset(1, is_value) +
                                static_cast<std::size_t>(place % page_cells * features + j) * size_of(format);
          const float given = (is_value ? values : keys)[static_cast<std::size_t>(row * features + j)];
          const bf16 rounded(given);
          BOOST_TEST(
              (format == CellFormat::F32 ? std::memcmp(at, &given, 4) : std::memcmp(at, &rounded, 2)) == 0);
        }
    for (const auto& page : paged.memory)  // the other block's part is as it was
      for (std::size_t i = 0; i < paged.pages.offset(1, false); ++i)
        BOOST_REQUIRE(page[i] == std::byte{0xff});
  }
}

// Attention over pages has the bits of attention over rows of the stored numbers, few queries or many.
BOOST_AUTO_TEST_CASE(attention_reads_pages_as_rows) {
  struct Packed {
    std::vector<Index> queries, keys;
    Index heads, kv_heads, head_dim;
  };
  const std::vector<Packed> all = {{{1}, {1}, 1, 1, 8},           {{1}, {70}, 6, 2, 24},
                                   {{2, 1}, {300, 65}, 4, 4, 16}, {{40, 3}, {200, 128}, 6, 2, 72},
                                   {{130}, {130}, 2, 1, 128},     {{1, 1, 1}, {64, 63, 400}, 15, 5, 8}};
  for (const IsaLevel level : tests::detail::levels())
    for (const CellFormat format : {CellFormat::F32, CellFormat::BF16})
      for (const Packed& sizes : all) {
        const Index narrow = sizes.kv_heads * sizes.head_dim, wide = sizes.heads * sizes.head_dim;
        Paged paged(sizes.keys, format, narrow, 3);
        Index keys = 0, queries = 0;
        std::vector<std::int32_t> offsets{0}, begins, counts;
        for (std::size_t s = 0; s < sizes.keys.size(); ++s) {
          begins.push_back(static_cast<std::int32_t>(keys));
          counts.push_back(static_cast<std::int32_t>(sizes.keys[s]));
          keys += sizes.keys[s];
          queries += sizes.queries[s];
          offsets.push_back(static_cast<std::int32_t>(queries));
        }
        std::vector<float> q = drawn(queries * wide, 1), k = drawn(keys * narrow, 2),
                           v = drawn(keys * narrow, 3);
        if (format == CellFormat::BF16)
          for (auto* list : {&k, &v})
            for (float& value : *list) value = static_cast<float>(bf16(value));
        std::vector<float> expected(q.size()), ours(q.size());
        const auto view = [](const std::vector<std::int32_t>& list) {
          return View<const std::int32_t, 1, Cpu>(list.data(), Shape<1>{{static_cast<Index>(list.size())}});
        };
        AttentionForward<Cpu, float> op{.q = rows_of<float>(q, wide),
                                        .k = rows_of<float>(k, narrow),
                                        .v = rows_of<float>(v, narrow),
                                        .y = rows_of<float>(expected, wide),
                                        .layout = {.query_offsets = view(offsets),
                                                   .key_begin = view(begins),
                                                   .key_counts = view(counts),
                                                   .heads = sizes.heads,
                                                   .kv_heads = sizes.kv_heads,
                                                   .head_dim = sizes.head_dim,
                                                   .scale = 0.2f}};
        Runtime<Cpu> runtime(2, level);
        runtime.run(StoreCells<Cpu, float>{.keys = op.k, .values = op.v, .pages = paged.pages, .block = 2});
        runtime.plan([&] { runtime.run(op); });
        runtime.run(op);
        op.k = op.v = {};
        op.y = rows_of<float>(ours, wide);
        op.pages = paged.pages;
        op.block = 2;
        runtime.run(op);
        BOOST_TEST_CONTEXT(name_of(level) << ", keys " << keys << ", queries " << queries)
        BOOST_TEST(std::memcmp(ours.data(), expected.data(), ours.size() * sizeof(float)) == 0);
      }
}

BOOST_AUTO_TEST_SUITE_END()
