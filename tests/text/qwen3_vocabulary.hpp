// The tokenizer of Qwen3, put together from the compact form in tests/golden/tokenizer; see make_tokenizer_cases.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/io/file.hpp>
#include <vlm/io/json_definitions.hpp>
#include <vlm/text/tokenizer_json.hpp>

inline const std::string tokenizer_goldens = "tests/golden/tokenizer";

inline vlm::TokenizerDefinition qwen3_definition() {
  vlm::TokenizerDefinition definition;
  for (const char byte : vlm::detail::ByteAlphabet().bytes_in_order())
    definition.tokens.emplace_back(1, byte);
  const std::string packed = vlm::read_file(tokenizer_goldens + "/merges.bin");
  const auto id = [&packed](std::size_t at) {
    const auto byte = [&](std::size_t i) { return std::int32_t{static_cast<unsigned char>(packed[at + i])}; };
    return byte(0) | byte(1) << 8 | byte(2) << 16;
  };
  for (std::size_t at = 0; at < packed.size(); at += 6) {
    const std::int32_t left = id(at), right = id(at + 3);
    definition.merges.push_back({left, right, static_cast<std::int32_t>(definition.tokens.size())});
    definition.tokens.push_back(definition.tokens[static_cast<std::size_t>(left)] +
                                definition.tokens[static_cast<std::size_t>(right)]);
  }
  const std::string about = tokenizer_goldens + "/added_tokens.json";
  const vlm::Json file = vlm::parse_json(vlm::read_file(about), about);
  for (const vlm::Json& token : file.at("added_tokens").items())
    definition.added_tokens.push_back({static_cast<std::int32_t>(token.at("id").integer()),
                                       token.at("content").string(), token.at("special").boolean()});
  return definition;
}

// The lines of a JSONL file among the goldens.
inline std::vector<vlm::Json> golden_lines(const std::string& path) {
  const std::string file = vlm::read_file(path);
  std::vector<vlm::Json> lines;
  for (std::string_view text = file; !text.empty();) {
    const std::size_t end = text.find('\n');
    lines.push_back(vlm::parse_json(text.substr(0, end), path));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return lines;
}
