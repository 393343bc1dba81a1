#include <boost/test/unit_test.hpp>

#include <vlm/text/unicode_tables.hpp>

#include <algorithm>
#include <iterator>

using namespace vlm::detail;

namespace {

// Borders rise without repetition, and each set ends.
template <std::size_t N>
bool are_borders(const char32_t (&table)[N]) {
  return N % 2 == 0 && std::adjacent_find(table, table + N, std::greater_equal<>()) == table + N;
}

template <std::size_t N>
bool are_ordered(const Decomposition (&table)[N]) {
  const auto wrong = [](const Decomposition& a, const Decomposition& b) { return a.composed >= b.composed; };
  return std::adjacent_find(table, table + N, wrong) == table + N;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_unicode_tables)

BOOST_AUTO_TEST_CASE(tables_are_in_order) {
  BOOST_TEST(are_borders(letter_borders));
  BOOST_TEST(are_borders(number_borders));
  BOOST_TEST(are_borders(unsettled_borders));
  BOOST_TEST(are_ordered(composing_pairs));
  BOOST_TEST(are_ordered(one_way));
  const auto wrong = [](const CombiningClassRange& a, const CombiningClassRange& b) {
    return a.first > a.last || a.last >= b.first;
  };
  BOOST_TEST((std::adjacent_find(std::begin(combining_class_ranges), std::end(combining_class_ranges),
                                 wrong) == std::end(combining_class_ranges)));
}

// No version adds composing pairs of old characters, so these counts only grow with new scripts.
BOOST_AUTO_TEST_CASE(tables_are_of_unicode_14) {
  BOOST_TEST(unicode_version == "14.0.0");
  BOOST_TEST(std::size(composing_pairs) == 941u);
  BOOST_TEST(std::size(ideographs_f900) == 0xFADAu - 0xF900u);
  BOOST_TEST(std::size(ideographs_2f800) == 0x2FA1Eu - 0x2F800u);
}

BOOST_AUTO_TEST_CASE(every_pair_begins_with_a_starter_and_every_single_has_no_second) {
  for (const Decomposition& pair : composing_pairs) BOOST_TEST((pair.first != 0 && pair.second != 0));
  for (const Decomposition& entry : one_way) BOOST_TEST(entry.first != 0u);
}

BOOST_AUTO_TEST_SUITE_END()
