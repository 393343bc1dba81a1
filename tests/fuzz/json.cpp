// Fuzz target: any bytes are JSON or a FileError, and what was read writes as text that reads back the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <vlm/io/json_definitions.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  vlm::Json value;
  try {
    value = vlm::parse_json({reinterpret_cast<const char*>(data), size}, "input");
  } catch (const vlm::FileError&) {
    return 0;
  }
  for (const int indent : {-1, 0, 2}) {
    const std::string text = vlm::write_json(value, indent);
    if (vlm::write_json(vlm::parse_json(text, "output"), indent) != text) std::abort();
  }
  return 0;
}
