// Fuzz target: any bytes are PBM, PGM and PPM images or a DataError; see image.hpp.
#include "image.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return look_at(data, size);
}
