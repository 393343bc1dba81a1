// Fuzz target: any bytes are a safetensors file or a FileError, and of a file that opens every byte that its
// tensors claim can be read.
#include <sys/mman.h>
#include <unistd.h>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <vlm/io/json_definitions.hpp>
#include <vlm/io/safetensors_file.hpp>

namespace {

// A file in memory, written anew for each input.
class Input {
 public:
  Input() : handle_(memfd_create("input", 0)) {
    if (handle_ < 0) std::abort();
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(handle_); }
  void write(const std::uint8_t* data, std::size_t size) const {
    const bool written =
        ftruncate(handle_, 0) == 0 && pwrite(handle_, data, size, 0) == static_cast<ssize_t>(size);
    if (!written) std::abort();
  }

 private:
  int handle_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Input input;
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
