#include <vlm/core/cell_pages.hpp>

#include <boost/test/unit_test.hpp>

using namespace vlm;

BOOST_AUTO_TEST_SUITE(core_cell_pages)

BOOST_AUTO_TEST_CASE(parts_of_a_page_stand_side_by_side) {
  const CellPages<Cpu> wide{.format = CellFormat::F32, .heads = 3, .head_dim = 8};
  BOOST_TEST(!wide);
  BOOST_TEST(wide.part_bytes() == 64u * 8 * 4);
  BOOST_TEST(wide.offset(0, 0, false) == 0u);
  BOOST_TEST(wide.offset(0, 0, true) == 64u * 8 * 4);
  BOOST_TEST(wide.offset(2, 1, true) == 15u * 64 * 8 * 4);
  BOOST_TEST(wide.page_bytes(3) == 18u * 64 * 8 * 4);
  const CellPages<Cpu> narrow{.format = CellFormat::BF16, .heads = 3, .head_dim = 8};
  BOOST_TEST(2 * narrow.page_bytes(3) == wide.page_bytes(3));
}

BOOST_AUTO_TEST_CASE(int8_numbers_are_followed_by_their_scales) {
  const CellPages<Cpu> pages{.format = CellFormat::I8, .heads = 2, .head_dim = 128};
  BOOST_TEST(pages.scales_offset() == 64u * 128);
  BOOST_TEST(pages.part_bytes() == 64u * (128 + 4));
  BOOST_TEST(pages.offset(1, 1, false) == 6u * 64 * (128 + 4));
  BOOST_TEST(name_of(CellFormat::I8) == "int8");
}

BOOST_AUTO_TEST_SUITE_END()
