// Fuzz target: any bytes are a file of records, lines or an array, or one error; so is each record in it.
#include <cstdint>
#include <string_view>

#include <unistd.h>

#include <vlm/data/jsonl.hpp>
#include <vlm/io/json_definitions.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string path = "/tmp/vlm-fuzz-data-" + std::to_string(::getpid()) + ".json";
  vlm::write_file_atomically(path, {reinterpret_cast<const char*>(data), size});
  try {
    const vlm::JsonlFile file(path);
    for (vlm::Index i = 0; i < file.size(); ++i) try {
        file.conversation(i);
      } catch (const vlm::DataError&) {
      }
  } catch (const vlm::DataError&) {
  }
  ::unlink(path.c_str());
  return 0;
}
