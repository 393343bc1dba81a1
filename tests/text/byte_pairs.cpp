#include <boost/test/unit_test.hpp>

#include <vlm/text/byte_pairs.hpp>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

using vlm::BytePairs;
using vlm::Merge;
using Ids = std::vector<std::int32_t>;

namespace {

Ids merged(const BytePairs& pairs, Ids ids, std::size_t begin = 0) {
  pairs.merge(ids, begin);
  return ids;
}

// The definition: while a pair has a rank, the first of the lowest rank merges.
Ids merged_by_definition(const std::vector<Merge>& merges, Ids ids) {
  for (;;) {
    std::size_t best_rank = merges.size(), best = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      for (std::size_t rank = 0; rank < best_rank; ++rank) {
        if (merges[rank].left == ids[i] && merges[rank].right == ids[i + 1]) best_rank = rank, best = i;
      }
    }
    if (best_rank == merges.size()) return ids;
    ids[best] = merges[best_rank].result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_byte_pairs)

BOOST_AUTO_TEST_CASE(the_lowest_rank_merges_first_and_leftmost) {
  // 0 = a, 1 = b, 2 = c; bc before ab, so that abc becomes a + bc.
  const BytePairs pairs({{1, 2, 3}, {0, 1, 4}, {0, 0, 5}});
  BOOST_TEST(merged(pairs, {0, 1, 2}) == (Ids{0, 3}), boost::test_tools::per_element());
  BOOST_TEST(merged(pairs, {0, 1, 0}) == (Ids{4, 0}), boost::test_tools::per_element());
  BOOST_TEST(merged(pairs, {0, 0, 0}) == (Ids{5, 0}), boost::test_tools::per_element());
  BOOST_TEST(merged(pairs, {2}) == (Ids{2}), boost::test_tools::per_element());
  BOOST_TEST(merged(pairs, {}).empty());
}

BOOST_AUTO_TEST_CASE(what_stands_before_the_piece_stays) {
  const BytePairs pairs({{0, 0, 1}});
  BOOST_TEST(merged(pairs, {0, 0, 0, 0}, 1) == (Ids{0, 1, 0}), boost::test_tools::per_element());
  BOOST_TEST(merged(pairs, {0, 0}, 2) == (Ids{0, 0}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(short_and_long_pieces_follow_the_definition) {
  // All pairs of a random order over three symbols and what they become, as far as eighty tokens go.
  std::mt19937 random(5);
  std::vector<Merge> merges;
  for (std::int32_t next = 3; next < 80; ++next) {
    const auto pick = [&] { return static_cast<std::int32_t>(random() % static_cast<std::uint32_t>(next)); };
    const Merge merge{pick(), pick(), next};
    bool fresh = true;
    for (const Merge& other : merges)
      fresh = fresh && (other.left != merge.left || other.right != merge.right);
    if (fresh) merges.push_back(merge);
  }
  const BytePairs pairs(merges);
  for (const std::size_t size : {2u, 3u, 7u, 20u, 63u, 64u, 65u, 66u, 100u, 300u}) {
    for (int repeat = 0; repeat < 10; ++repeat) {
      Ids ids(size);
      for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random() % 3);
      BOOST_TEST(merged(pairs, ids) == merged_by_definition(merges, ids), boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_long_run_takes_no_quadratic_time) {
  std::vector<Merge> merges;
  for (std::int32_t i = 0; i < 10; ++i) merges.push_back({i, i, i + 1});
  const std::size_t size = std::size_t{1} << 18;  // squared, this would take minutes
  BOOST_TEST(merged(BytePairs(merges), Ids(size, 0)) == Ids(size >> 10, 10),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_pair_that_merges_twice_is_refused) {
  const auto message_is = [](const vlm::ConfigError& error) {
    return std::string(error.what()) ==
           "vlm::ConfigError [tokenizer-merges]\n"
           "  at        merge 2\n"
           "  expected  each pair once\n"
           "  got       the pair of merge 0"
           "\n  try       fetch the tokenizer again; its file is damaged";
  };
  BOOST_CHECK_EXCEPTION(BytePairs({{0, 1, 2}, {1, 0, 3}, {0, 1, 4}}), vlm::ConfigError, message_is);
}

BOOST_AUTO_TEST_SUITE_END()
