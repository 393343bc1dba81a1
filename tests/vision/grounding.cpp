// Overlaps and the coordinates that a model writes.
#include <boost/test/unit_test.hpp>

#include <vlm/vision/grounding.hpp>

BOOST_AUTO_TEST_SUITE(vision_grounding)

BOOST_AUTO_TEST_CASE(overlap_of_boxes) {
  const auto near = boost::test_tools::tolerance(1e-5);
  BOOST_TEST(vlm::overlap(vlm::Box{0, 0, 10, 10}, vlm::Box{5, 5, 15, 15}) == 0.142857, near);
  BOOST_TEST(vlm::overlap(vlm::Box{100, 200, 500, 600}, vlm::Box{120, 210, 520, 580}) == 0.839904, near);
  BOOST_TEST(vlm::overlap(vlm::Box{0, 0, 1, 1}, vlm::Box{2, 0, 3, 1}) == 0.0);
  BOOST_TEST(vlm::overlap(vlm::Box{1, 1, 1, 1}, vlm::Box{1, 1, 1, 1}) == 0.0);
}

BOOST_AUTO_TEST_CASE(overlap_of_spans) {
  BOOST_TEST(vlm::overlap(vlm::Span{3.0, 12.4}, vlm::Span{5, 14}) == 0.672727,
             boost::test_tools::tolerance(1e-5));
  BOOST_TEST(vlm::overlap(vlm::Span{0, 1}, vlm::Span{2, 3}) == 0.0);
  BOOST_TEST(vlm::overlap(vlm::Span{2, 2}, vlm::Span{2, 2}) == 0.0);
}

BOOST_AUTO_TEST_CASE(coordinates) {
  BOOST_TEST(vlm::source_coordinate(500, 640) == 320.0);
  BOOST_TEST(vlm::relative_coordinate(320, 640) == 500);
  BOOST_TEST(vlm::relative_coordinate(640, 640) == 1000);
  BOOST_TEST(vlm::relative_coordinate(-3, 640) == 0);
  BOOST_TEST(vlm::relative_coordinate(1e300, 640) == 1000);
  for (vlm::Index relative = 0; relative <= 1000; ++relative)
    for (const vlm::Index extent : {7, 640, 4000})
      BOOST_REQUIRE(vlm::relative_coordinate(vlm::source_coordinate(static_cast<double>(relative), extent),
                                             extent) == relative);
}

BOOST_AUTO_TEST_SUITE_END()
