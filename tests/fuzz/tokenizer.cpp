// Fuzz target: ids of any bytes are those of the definition, their text is the normalised input, and a stream gives
// whole characters that make the same text.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/io/json_definitions.hpp>
#include <vlm/text/tokenizer_trainer.hpp>

namespace {

using Ids = std::vector<std::int32_t>;

void require(bool holds) {
  if (!holds) std::abort();
}

const vlm::Tokenizer& tokenizer() {
  static const vlm::Tokenizer trained = vlm::train_tokenizer(
      "the theme there then other another mother's isn't we'll 's 's 're 're \n\n\n  \n\n  \t\t if (x == 10) "
      "{ return; }\n"
      "\u732B\u732B\u5728\u732B\u5728 \u0E41\u0E21\u0E27\u0E41\u0E21\u0E27 "
      "\u0915\u094D\u0937\u0915\u094D\u0937 caf\u00E9 caf\u00E9 "
      "\uD55C\uAE00\uD55C\uAE00 \U0001F642\U0001F642 aaaa aaaaaaaa abababab",
      {.vocabulary = 340, .minimum_count = 2});
  return trained;
}

// The pieces of a normalised text, each from its bytes by the rule: the pair of the lowest rank, leftmost first.
void encode_by_definition(const std::string& text, Ids& ids) {
  static const auto merges = vlm::tokenizer_from_json(tokenizer().to_json()).merges;
  vlm::for_each_piece(text, [&](std::string_view piece) {
    Ids part;
    for (const char byte : piece) part.push_back(*tokenizer().id_of({&byte, 1}));
    for (bool merged = true; merged;) {
      merged = false;
      for (const vlm::Merge& merge : merges) {
        for (std::size_t i = 0; i + 1 < part.size() && !merged; ++i) {
          if (part[i] != merge.left || part[i + 1] != merge.right) continue;
          part[i] = merge.result;
          part.erase(part.begin() + static_cast<std::ptrdiff_t>(i) + 1);
          merged = true;
        }
        if (merged) break;
      }
    }
    ids.insert(ids.end(), part.begin(), part.end());
  });
}

std::string streamed(const Ids& ids) {
  vlm::StreamDecoder stream(tokenizer());
  std::string text;
  for (const std::int32_t id : ids) {
    const std::string part = stream.push(id);
    require(vlm::repair_utf8(part) == part);
    text += part;
  }
  return text + stream.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size < 512 ? size : 512);
  std::vector<std::string> words;
  for (const vlm::AddedToken& token : tokenizer().added_tokens()) words.push_back(token.text);
  Ids wanted;
  std::string normalised;
  vlm::WordFinder(words).split(
      text,
      [&](std::string_view between) {
        encode_by_definition(vlm::to_nfc(between), wanted);
        normalised += vlm::to_nfc(between);
      },
      [&](std::size_t word) {
        wanted.push_back(tokenizer().added_tokens()[word].id);
        normalised += words[word];
      });
  const Ids ids = tokenizer().encode(text);
  require(ids == wanted);
  require(tokenizer().decode(ids) == normalised);
  require(streamed(ids) == normalised);
  // The bytes as ids, most of which make no text.
  Ids any;
  for (const char byte : text) any.push_back(static_cast<unsigned char>(byte));
  require(streamed(any) == tokenizer().decode(any));
  return 0;
}
