// Errors are thrown.
// wrong: -fno-exceptions
// expected: vlm: compile with exceptions, not with -fno-exceptions
#include <vlm/core/error.hpp>

void fail();
void fail() {
  throw vlm::DataError("data", {{"expected", "an exception"}, {"got", "none"}, {"try", "-fexceptions"}});
}
