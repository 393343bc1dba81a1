#include <vlm/infer/stop_strings.hpp>

#include <boost/test/unit_test.hpp>

#include "message_of.hpp"

using namespace vlm;

BOOST_AUTO_TEST_SUITE(infer_stop_strings)

// Whatever the pieces: the text before the first stop, and nothing that belongs to it.
BOOST_AUTO_TEST_CASE(pieces_make_no_difference) {
  const std::string whole = "abcabcabdef";
  for (std::size_t size = 1; size <= whole.size(); ++size) {
    StopStrings stops({"abd", "zz"});
    std::string text;
    bool found = false;
    for (std::size_t at = 0; at < whole.size() && !found; at += size)
      found = stops.push(std::string_view(whole).substr(at, size), text);
    BOOST_TEST(found);
    BOOST_TEST(text == "abcabc");
  }
}

BOOST_AUTO_TEST_CASE(what_could_begin_a_stop_is_held_until_the_end) {
  StopStrings stops({"abd", "bcx"});
  std::string text;
  BOOST_TEST(!stops.push("xab", text));
  BOOST_TEST(text == "x");
  BOOST_TEST(!stops.push("c", text));
  BOOST_TEST(text == "xa");
  BOOST_TEST(!stops.push("y", text));
  BOOST_TEST(text == "xabcy");
  BOOST_TEST(!stops.push("a", text));
  stops.finish(text);
  BOOST_TEST(text == "xabcya");
}

BOOST_AUTO_TEST_CASE(the_first_of_several_stops_counts) {
  StopStrings stops({"later", "early"});
  std::string text;
  BOOST_TEST(stops.push("an early, a later", text));
  BOOST_TEST(text == "an ");
}

BOOST_AUTO_TEST_CASE(without_stops_all_passes) {
  StopStrings stops({});
  std::string text;
  BOOST_TEST(!stops.push("all", text));
  BOOST_TEST(text == "all");
  BOOST_TEST(message_of([] { StopStrings({"x", ""}); }) ==
             "vlm::ConfigError [stop-string]\n"
             "  at        stop string 1\n"
             "  expected  a text of at least one character\n"
             "  got       \"\""
             "\n  try       leave it out");
}

BOOST_AUTO_TEST_SUITE_END()
