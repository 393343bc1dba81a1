// Fuzz target: any bytes are a configuration or one error, and what is read can be described.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <vlm/cpu.hpp>
#include <vlm/io/json_definitions.hpp>
#include <vlm/model/describe.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const vlm::Description description =
        vlm::describe(vlm::ModelConfig::parse({reinterpret_cast<const char*>(data), size}, "input"));
    if (description.parameters() <= 0 || description.tree().empty()) std::abort();
  } catch (const vlm::Error&) {
  }
  return 0;
}
