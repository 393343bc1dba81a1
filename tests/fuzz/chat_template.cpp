// Fuzz target: any bytes are a template that is refused or rendered, and rendering ends in a text or an error.
#include <cstdint>
#include <string_view>

#include <vlm/io/json_definitions.hpp>
#include <vlm/text/chat_folder.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const vlm::Json variables = vlm::parse_json(
      R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "<think>t</think>a"}],
          "s": " a\u00E9 ", "n": 3, "f": 1.5, "t": true, "d": {"k": [1, null]}, "tools": null})",
      "variables");
  try {
    vlm::ChatTemplate::from_source({reinterpret_cast<const char*>(data), size}, "input").render(variables);
  } catch (const vlm::Error&) {
  }
  return 0;
}
