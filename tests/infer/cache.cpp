#include <array>
#include <boost/test/unit_test.hpp>
#include <limits>
#include <vector>

#include <vlm/infer/cache.hpp>

#include "message_of.hpp"

using namespace vlm;

namespace {

std::vector<std::int32_t> list(View<const std::int32_t, 1, Cpu> view) {
  return {view.data, view.data + view.rows()};
}
using Numbers = std::vector<std::int32_t>;

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_cache)

BOOST_AUTO_TEST_CASE(a_pass_is_described_by_cells_begins_and_counts) {
  KeyValueCache<Cpu> cache(3, 16);
  cache.allot(std::array<Index, 3>{4, 2, 5});
  BOOST_TEST(cache.sequences() == 3);
  BOOST_TEST(cache.cells() == 11);
  BOOST_TEST(cache.capacity(2) == 5);

  Sequences<Cpu> text;
  cache.append(0, 3);
  cache.append(2, 2);
  cache.describe(text);
  BOOST_TEST((list(text.cells) == Numbers{0, 1, 2, 6, 7}));
  BOOST_TEST((list(text.key_begin) == Numbers{0, 6}));
  BOOST_TEST((list(text.key_counts) == Numbers{3, 2}));
  BOOST_TEST(text.cells_per_block == 11);
  BOOST_TEST(text.keys.rows() == 33);
  BOOST_TEST(text.values.rows() == 33);
  BOOST_TEST(text.keys.extent[1] == 16);
  BOOST_TEST(text.keys.data != text.values.data);

  cache.clear_pass();
  cache.append(2, 1);
  cache.append(0, 1);
  cache.append(1, 1);
  cache.describe(text);
  BOOST_TEST((list(text.cells) == Numbers{8, 3, 4}));
  BOOST_TEST((list(text.key_begin) == Numbers{6, 0, 4}));
  BOOST_TEST((list(text.key_counts) == Numbers{3, 4, 1}));
  BOOST_TEST(cache.length(0) == 4);
  BOOST_TEST(cache.length(2) == 3);
}

BOOST_AUTO_TEST_CASE(truncated_rows_are_written_again) {
  KeyValueCache<Cpu> cache(1, 8);
  cache.allot(std::array<Index, 1>{4});
  cache.append(0, 4);
  cache.truncate(0, 1);
  cache.clear_pass();
  cache.append(0, 2);
  Sequences<Cpu> text;
  cache.describe(text);
  BOOST_TEST((list(text.cells) == Numbers{1, 2}));
  BOOST_TEST((list(text.key_counts) == Numbers{3}));
  BOOST_TEST(message_of([&] { cache.truncate(0, 4); }) ==
             "vlm::ShapeError [cache-length]\n"
             "  at        sequence 0\n"
             "  expected  0 to 3\n"
             "  got       4"
             "\n  try       the length of a part of the sequence that was computed");
}

BOOST_AUTO_TEST_CASE(memory_is_kept_where_it_suffices) {
  KeyValueCache<Cpu> cache(2, 8);
  Sequences<Cpu> text;
  cache.allot(std::array<Index, 2>{6, 6});
  cache.append(0, 1);
  cache.describe(text);
  const float* keys = text.keys.data;
  cache.allot(std::array<Index, 1>{10});
  BOOST_TEST(cache.length(0) == 0);
  cache.append(0, 10);
  cache.describe(text);
  BOOST_TEST(text.keys.data == keys);
  BOOST_TEST(text.cells_per_block == 10);
  cache.allot(std::array<Index, 2>{100, 100});
  cache.describe(text);
  text.keys(2 * 200 - 1, 7) = 1;  // the last cell of the last block
  text.values(2 * 200 - 1, 7) = 1;
}

BOOST_AUTO_TEST_CASE(a_full_sequence_is_refused) {
  KeyValueCache<Cpu> cache(1, 8);
  cache.allot(std::array<Index, 2>{3, 3});
  cache.append(1, 2);
  BOOST_TEST(message_of([&] { cache.append(1, 2); }) ==
             "vlm::ShapeError [cache-full]\n"
             "  at        sequence 1\n"
             "  expected  at most 3 rows\n"
             "  got       2 and 2 more\n"
             "  try       allot the sequence all the tokens that it may grow to");
  BOOST_TEST(cache.length(1) == 2);
}

BOOST_AUTO_TEST_CASE(impossible_sizes_are_refused_before_memory_is_taken) {
  KeyValueCache<Cpu> cache(4, 1024);
  cache.allot(std::array<Index, 1>{3});
  for (const Index capacity : {Index{-1}, Index{0x7fffffff}, std::numeric_limits<Index>::max()}) {
    const std::array<Index, 2> capacities{1, capacity};
    BOOST_CHECK_EXCEPTION(cache.allot(capacities), ConfigError,
                          [](const Error& error) { return error.id() == "cache-size"; });
  }
  BOOST_TEST(cache.cells() == 3);
  KeyValueCache<Cpu> wide(1 << 20, 1 << 20);
  BOOST_CHECK_THROW(wide.allot(std::array<Index, 1>{Index{1} << 30}), ConfigError);
}

BOOST_AUTO_TEST_SUITE_END()
