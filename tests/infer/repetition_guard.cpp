#include <vlm/infer/repetition_guard.hpp>

#include <boost/test/unit_test.hpp>

using namespace vlm;

namespace {

// How many tokens pass before the guard acts, or -1.
Index cut_at(const RepetitionGuardSettings& settings, const std::vector<std::int32_t>& tokens) {
  RepetitionGuard guard(settings);
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (guard.push(tokens[i])) return static_cast<Index>(i) + 1;
  return -1;
}

std::vector<std::int32_t> cycle(std::int32_t length, std::size_t tokens) {
  std::vector<std::int32_t> list{1000, 1001, 1002};
  while (list.size() < tokens) list.push_back(static_cast<std::int32_t>(list.size() - 3) % length);
  return list;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_repetition_guard)

BOOST_AUTO_TEST_CASE(cycles_are_cut_when_long_enough) {
  const RepetitionGuardSettings settings{.longest_cycle = 10, .repeats = 4, .tokens = 12};
  BOOST_TEST(cut_at(settings, cycle(1, 100)) == 3 + 12);
  BOOST_TEST(cut_at(settings, cycle(3, 100)) == 3 + 12);
  BOOST_TEST(cut_at(settings, cycle(5, 100)) == 3 + 20);
  BOOST_TEST(cut_at(settings, cycle(10, 100)) == 3 + 40);
  BOOST_TEST(cut_at(settings, cycle(11, 300)) == -1);
  BOOST_TEST(cut_at({.longest_cycle = 10, .repeats = 0, .tokens = 12}, cycle(1, 100)) == -1);
  BOOST_TEST(cut_at({.longest_cycle = 0}, cycle(1, 300)) == -1);
}

BOOST_AUTO_TEST_CASE(a_broken_cycle_begins_anew) {
  std::vector<std::int32_t> tokens = cycle(2, 14);
  tokens.push_back(77);
  const std::vector<std::int32_t> more = cycle(2, 14);
  tokens.insert(tokens.end(), more.begin() + 3, more.end());
  BOOST_TEST(cut_at({.longest_cycle = 8, .repeats = 3, .tokens = 12}, tokens) == -1);
  // Lists repeat words without being cycles.
  std::vector<std::int32_t> list;
  for (std::int32_t i = 0; i < 400; ++i) list.push_back(i % 4 == 0 ? i : i % 4);
  BOOST_TEST(cut_at({}, list) == -1);
}

BOOST_AUTO_TEST_SUITE_END()
