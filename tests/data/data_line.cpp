#include <boost/test/unit_test.hpp>

#include <vlm/data/data_line.hpp>

#include "tiny.hpp"

BOOST_AUTO_TEST_SUITE(data_data_line)

BOOST_AUTO_TEST_CASE(the_message_names_file_line_and_field) {
  const auto fail = [] {
    vlm::detail::throw_data_line({"a.jsonl", 12}, "messages[0].role", "a string", "an integer: 4");
  };
  BOOST_TEST(message_of(fail) ==
             "vlm::DataError [data-line]\n"
             "  file      a.jsonl\n"
             "  line      12\n"
             "  field     messages[0].role\n"
             "  expected  a string\n"
             "  got       an integer: 4\n"
             "  try       correct this line");
}

BOOST_AUTO_TEST_CASE(fields_are_read_back_from_a_message) {
  const vlm::FileError error("x", {{"file", "a b"}, {"expected", "two  spaces"}, {"got", ""}, {"try", "no"}});
  BOOST_TEST(vlm::detail::field_of(error, "file") == "a b");
  BOOST_TEST(vlm::detail::field_of(error, "expected") == "two  spaces");
  BOOST_TEST(vlm::detail::field_of(error, "try") == "no");
  BOOST_TEST(vlm::detail::field_of(error, "got") == "");
  BOOST_TEST(vlm::detail::field_of(error, "exp") == "");
}

BOOST_AUTO_TEST_SUITE_END()
