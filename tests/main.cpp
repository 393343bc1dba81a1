// The entry point shared by the tests of every room.
#define BOOST_TEST_MODULE vlm
#include <boost/test/unit_test.hpp>
