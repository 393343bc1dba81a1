#include <vlm/core/cell_pages.hpp>

#include <boost/test/unit_test.hpp>

using namespace vlm;

BOOST_AUTO_TEST_SUITE(core_cell_pages)

BOOST_AUTO_TEST_CASE(parts_of_a_page_stand_side_by_side) {
  const CellPages<Cpu> wide{.format = CellFormat::F32, .features = 24};
  BOOST_TEST(!wide);
  BOOST_TEST(wide.part_bytes() == 64u * 24 * 4);
  BOOST_TEST(wide.offset(0, false) == 0u);
  BOOST_TEST(wide.offset(0, true) == 64u * 24 * 4);
  BOOST_TEST(wide.offset(2, true) == 5u * 64 * 24 * 4);
  BOOST_TEST(wide.page_bytes(3) == 6u * 64 * 24 * 4);
  const CellPages<Cpu> narrow{.format = CellFormat::BF16, .features = 24};
  BOOST_TEST(2 * narrow.page_bytes(3) == wide.page_bytes(3));
}

BOOST_AUTO_TEST_SUITE_END()
