#include <vlm/infer/prefix_cache.hpp>

#include <boost/test/unit_test.hpp>

#include "message_of.hpp"

using namespace vlm;

namespace {

std::vector<Cell> cells(std::initializer_list<std::int32_t> pages) {
  std::vector<Cell> list;
  for (const std::int32_t page : pages)
    for (std::int32_t i = 0; i < 64; ++i) list.push_back({page * 100 + i, -1, {}});
  return list;
}
std::vector<PrefixCache::Page> new_pages(std::size_t count, std::size_t bytes = 100) {
  std::vector<PrefixCache::Page> pages;
  while (pages.size() < count) pages.push_back(std::make_shared<CachePage>(bytes));
  return pages;
}
void share(PrefixCache& cache, const std::vector<Cell>& list) {
  std::vector<PrefixCache::Page> pages = new_pages(list.size() / 64);
  cache.share(list, pages);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_prefix_cache)

BOOST_AUTO_TEST_CASE(the_longest_equal_beginning_is_found) {
  PrefixCache cache;
  std::vector<PrefixCache::Page> pages = new_pages(3);
  cache.share(cells({1, 2, 3}), pages);
  BOOST_TEST(cache.page_count() == 3);
  std::vector<PrefixCache::Page> found = cache.find(cells({1, 2, 4, 3}));
  BOOST_REQUIRE(found.size() == 2);
  BOOST_TEST(found[1] == pages[1]);
  BOOST_TEST(cache.find(cells({2, 3})).empty());  // a page counts for what stands before it
  std::vector<Cell> part = cells({1, 2});
  part.pop_back();
  BOOST_TEST(cache.find(part).size() == 1);

  // An equal page is held once.
  std::vector<PrefixCache::Page> others = new_pages(3);
  cache.share(cells({1, 2, 5}), others);
  BOOST_TEST(others[0] == pages[0]);
  BOOST_TEST(others[1] == pages[1]);
  BOOST_TEST(others[2] != pages[2]);
  BOOST_TEST(cache.page_count() == 4);
}

BOOST_AUTO_TEST_CASE(cells_differ_by_token_row_and_either_half_of_the_key) {
  const Cell cell{5, 3, {1, 2}};
  for (const Cell& other : {Cell{6, 3, {1, 2}}, Cell{5, 4, {1, 2}}, Cell{5, 3, {2, 2}}, Cell{5, 3, {1, 1}}}) {
    PrefixCache cache;
    std::vector<Cell> list = cells({1});
    list[63] = cell;
    share(cache, list);
    BOOST_TEST(cache.find(list).size() == 1);
    list[63] = other;
    BOOST_TEST(cache.find(list).empty());
  }
}

BOOST_AUTO_TEST_CASE(a_cache_belongs_to_one_model) {
  PrefixCache cache;
  const CacheIdentity identity{.model = {1, 2}, .format = CellFormat::F32, .page_bytes = 8};
  cache.bind(identity);
  cache.bind(identity);
  CacheIdentity other = identity;
  other.model = {1, 3};
  BOOST_TEST(message_of([&] { cache.bind(other); }) ==
             "vlm::ConfigError [cache-model]\n"
             "  expected  the model and the format of cells that the cache is for\n"
             "  got       another model: other weights, or formats of weights\n"
             "  try       a cache of its own for each model and format");
  BOOST_TEST((cache.identity() == identity));
}

BOOST_AUTO_TEST_CASE(pages_that_nobody_uses_are_forgotten_oldest_first) {
  PrefixCache cache({.page_bytes = 350});
  share(cache, cells({1, 2}));
  share(cache, cells({3}));
  cache.find(cells({1, 2}));
  share(cache, cells({4}));  // 3 goes
  BOOST_TEST(cache.page_count() == 3);
  BOOST_TEST(cache.find(cells({3})).empty());
  const std::vector<PrefixCache::Page> held = cache.find(cells({1, 2}));
  cache.find(cells({4}));
  share(cache, cells({5}));  // 4 goes: others are in use, or not leaves
  BOOST_TEST(cache.find(cells({1, 2})).size() == 2);
  BOOST_TEST(cache.find(cells({4})).empty());
  BOOST_TEST(cache.find(cells({5})).size() == 1);
}

BOOST_AUTO_TEST_CASE(pictures_are_kept_by_key_within_their_memory) {
  PrefixCache cache({.page_bytes = 0, .picture_bytes = 80});
  const auto picture = [] {
    auto encoded = std::make_shared<EncodedPicture>();
    encoded->rows.resize(10);
    return encoded;
  };
  cache.keep_picture({1, 1}, picture());
  cache.keep_picture({1, 2}, picture());
  BOOST_TEST(cache.find_picture({1, 1}) != nullptr);
  BOOST_TEST(cache.find_picture({2, 1}) == nullptr);
  cache.keep_picture({3, 3}, picture());
  BOOST_TEST(cache.picture_count() == 2);
  BOOST_TEST(cache.find_picture({1, 2}) == nullptr);
  BOOST_TEST(cache.find_picture({1, 1}) != nullptr);
}

BOOST_AUTO_TEST_SUITE_END()
