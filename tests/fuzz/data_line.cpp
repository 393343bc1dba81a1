// Fuzz target: any bytes are a record in one of the formats, or an error that names its line.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <vlm/data/jsonl.hpp>
#include <vlm/io/json_definitions.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using vlm::RecordFormat;
  const vlm::DataPlace place{"set/a.jsonl", 3};
  try {
    const vlm::Json record = vlm::detail::parse_record({reinterpret_cast<const char*>(data), size}, place);
    for (const RecordFormat format : {RecordFormat::Recognised, RecordFormat::Messages,
                                      RecordFormat::QwenFinetune, RecordFormat::ShareGpt}) {
      try {
        const vlm::Conversation read =
            vlm::parse_conversation(record, place.file, place.line, {format, {}, {"a.png"}});
        if (read.messages.empty()) std::abort();
      } catch (const vlm::DataError& error) {
        if (!std::string_view(error.what()).starts_with("vlm::DataError [data-line]")) std::abort();
      }
    }
  } catch (const vlm::DataError& error) {
    if (!std::string_view(error.what()).starts_with("vlm::DataError [data-line]")) std::abort();
  }
  return 0;
}
