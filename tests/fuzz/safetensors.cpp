// Fuzz target: any bytes are a safetensors file or a FileError, and of a file that opens every byte that its
// tensors claim can be read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include <vlm/io/json_definitions.hpp>
#include <vlm/io/safetensors_file.hpp>

#include "memory_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const MemoryFile input;
  input.write(data, size);
  try {
    const vlm::SafetensorsFile file(input.path());
    std::size_t bytes = 0, ones = 0;
    for (const vlm::StoredTensor& tensor : file.tensors()) {
      bytes += tensor.bytes.size();
      for (const std::byte byte : tensor.bytes) ones += byte == std::byte{1};
      if (file.find(tensor.name) != &tensor) std::abort();
    }
    if (bytes > size || ones > bytes) std::abort();
  } catch (const vlm::FileError&) {
    // Refused, as most inputs are.
  }
  return 0;
}
