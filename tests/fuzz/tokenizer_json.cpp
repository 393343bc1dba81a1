// Fuzz target: any bytes are a tokenizer or an error, the quick reader agrees with the general one, and what was read
// writes as a file that reads back the same. The first "$$" stands for the tokens of the 256 bytes.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include <vlm/io/json_definitions.hpp>
#include <vlm/text/plain_tokenizer_file.hpp>
#include <vlm/text/tokenizer.hpp>

namespace {

std::string byte_tokens() {
  const vlm::detail::ByteAlphabet alphabet;
  std::string text;
  int id = 0;
  for (const char byte : alphabet.bytes_in_order()) {
    if (id > 0) text += ", ";
    text += vlm::write_json(vlm::Json(alphabet.to_characters({&byte, 1}))) + ": " + std::to_string(id++);
  }
  return text;
}

// What a reader makes of a file, written again.
template <class Read>
std::optional<std::string> written(Read&& read) {
  try {
    return vlm::write_json(vlm::Tokenizer(read()).to_json());
  } catch (const vlm::Error&) {
    return std::nullopt;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string bytes = byte_tokens();
  std::string text(reinterpret_cast<const char*>(data), size);
  if (const std::size_t at = text.find("$$"); at != text.npos) text.replace(at, 2, bytes);
  const auto quick = written([&] { return vlm::read_tokenizer_json(text, "input"); });
  const auto general = written([&] { return vlm::tokenizer_from_json(vlm::parse_json(text, "input")); });
  if (quick != general) std::abort();
  if (!quick) return 0;
  if (written([&] { return vlm::read_tokenizer_json(*quick, "output"); }) != quick) std::abort();
  return 0;
}
