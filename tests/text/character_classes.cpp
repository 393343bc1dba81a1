#include <boost/test/unit_test.hpp>

#include <vlm/text/character_classes.hpp>

#include <ios>

BOOST_AUTO_TEST_SUITE(text_character_classes)

BOOST_AUTO_TEST_CASE(the_table_says_what_the_sets_say) {
  const vlm::CharacterClasses& table = vlm::CharacterClasses::table();
  for (char32_t c = 0; c < 0x110000; ++c) {
    const bool same = table.of(c) == vlm::character_class(c) &&
                      table.is_unsettled(c) == vlm::detail::inside(vlm::detail::unsettled_borders, c);
    if (!same) BOOST_ERROR("U+" << std::hex << static_cast<std::uint32_t>(c));
  }
}

BOOST_AUTO_TEST_CASE(classes) {
  using enum vlm::CharacterClass;
  BOOST_TEST((vlm::character_class(U'\n') == NewLine));
  BOOST_TEST((vlm::character_class(U'\u2028') == Space));
  BOOST_TEST((vlm::character_class(U'\u4E00') == Letter));
  BOOST_TEST((vlm::character_class(U'\u0663') == Number));
  BOOST_TEST((vlm::character_class(U'\u0301') == Other));
  BOOST_TEST((vlm::character_class(U'\U00020000') == Letter));
}

BOOST_AUTO_TEST_SUITE_END()
