#include <vlm/core/error.hpp>

#include <boost/test/unit_test.hpp>

using namespace vlm;

BOOST_AUTO_TEST_SUITE(core_error)

BOOST_AUTO_TEST_CASE(the_whole_message) {
  const FileError error("weights-shape", {{"tensor", "model.norm.weight"},
                                          {"expected", "[2048]"},
                                          {"got", "[4096]"},
                                          {"try", "download config and weights from one place"}});
  BOOST_TEST(std::string(error.what()) ==
             "vlm::FileError [weights-shape]\n"
             "  tensor    model.norm.weight\n"
             "  expected  [2048]\n"
             "  got       [4096]\n"
             "  try       download config and weights from one place");
  BOOST_TEST(error.id() == "weights-shape");
}

BOOST_AUTO_TEST_CASE(fields_without_text_are_left_out) {
  const DataError error("bad-line", {{"path", ""}, {"got", "?"}, {"try", ""}});
  BOOST_TEST(std::string(error.what()) == "vlm::DataError [bad-line]\n  got       ?");
}

BOOST_AUTO_TEST_CASE(long_names_keep_a_space) {
  const ConfigError error("x", {{"num_key_value_heads", "3"}, {"0123456789", "4"}, {"012345678", "5"}});
  BOOST_TEST(std::string(error.what()) ==
             "vlm::ConfigError [x]\n  num_key_value_heads 3\n  0123456789 4\n  012345678 5");
}

BOOST_AUTO_TEST_CASE(no_fields) {
  BOOST_TEST(std::string(ShapeError("rows", {}).what()) == "vlm::ShapeError [rows]");
}

// Programs catch a kind, all of ours, or anything.
BOOST_AUTO_TEST_CASE(kinds_can_be_caught) {
  BOOST_CHECK_THROW(throw ConfigError("a", {}), ConfigError);
  BOOST_CHECK_THROW(throw FileError("a", {}), Error);
  BOOST_CHECK_THROW(throw ShapeError("a", {}), Error);
  BOOST_CHECK_THROW(throw DataError("a", {}), std::runtime_error);
  try {
    throw DeviceError("gone", {{"device", "cuda"}});
  } catch (const Error& error) {
    BOOST_TEST(error.id() == "gone");
    BOOST_TEST(std::string(error.what()) == "vlm::DeviceError [gone]\n  device    cuda");
  }
}

BOOST_AUTO_TEST_SUITE_END()
