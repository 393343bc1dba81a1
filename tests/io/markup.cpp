#include <vlm/io/markup.hpp>

#include <boost/test/unit_test.hpp>

using vlm::escape_markup;

BOOST_AUTO_TEST_SUITE(io_markup)

BOOST_AUTO_TEST_CASE(markup_is_escaped) {
  BOOST_TEST(escape_markup("<a href='x'>\"&\"</a>\x01\n") ==
             "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/a&gt;\n");
}

BOOST_AUTO_TEST_CASE(letters_beyond_ascii_stay) { BOOST_TEST(escape_markup("é 猫") == "é 猫"); }

BOOST_AUTO_TEST_SUITE_END()
