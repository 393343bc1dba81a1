// The older form of a tokenizer's files: vocab.json, merges.txt and, for the added tokens, tokenizer_config.json.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>
#include <vlm/text/tokenizer_json.hpp>

namespace vlm {

namespace detail {

// The lines "a b" of merges.txt as in a tokenizer.json; the first one may be a "#version" comment.
inline Json read_merge_lines(std::string_view text, const std::string& path) {
  std::vector<Json> merges;
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view merge = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (merge.ends_with('\r')) merge.remove_suffix(1);
    if (merge.empty() || (line == 1 && merge.starts_with("#version"))) continue;
    merges.emplace_back(merge);
    merges.back().locate(std::make_shared<const std::string>(path), "line " + std::to_string(line));
  }
  return Json::array(std::move(merges));
}

// "added_tokens_decoder" of tokenizer_config.json: {"151643": {"content": "<|endoftext|>", ...}, ...}, as the list of
// a tokenizer.json.
inline Json read_added_tokens_decoder(const Json& config) {
  Json list = Json::array();
  const Json* decoder = config.find("added_tokens_decoder");
  if (!decoder || decoder->is_null()) return list;
  for (const auto& [key, token] : decoder->members()) {
    std::int64_t id = -1;
    const auto [end, status] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (status != std::errc() || end != key.data() + key.size())
      throw ConfigError("tokenizer-added", {{"file", config.document()},
                                            {"at", decoder->path()},
                                            {"expected", "ids as the names of members"},
                                            {"got", "\"" + key + "\""},
                                            {"try", "fetch the tokenizer again; its file is damaged"}});
    Json entry = token;
    entry.set("id", id);
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace detail

// Reads vocab.json and merges.txt of a folder as a tokenizer of the Qwen2 family, which is what these files belong to
// without saying so; added tokens come from its tokenizer_config.json, where there is one. Errors as of a
// tokenizer.json.
inline TokenizerDefinition read_tokenizer_parts(const std::string& folder) {
  const std::string vocabulary = folder + "/vocab.json", merges = folder + "/merges.txt";
  const std::string config = folder + "/tokenizer_config.json";
  Json file = tokenizer_to_json({});  // the settings of the family
  Json model = file.at("model");
  model.set("vocab", parse_json(MappedFile(vocabulary).text(), vocabulary));
  model.set("merges", detail::read_merge_lines(MappedFile(merges).text(), merges));
  file.set("model", std::move(model));
  if (file_exists(config)) {
    const Json settings = parse_json(MappedFile(config).text(), config);
    if (const Json* kind = settings.find("tokenizer_class");
        kind && !kind->string().starts_with("Qwen2Tokenizer"))
      throw ConfigError("tokenizer-kind", {{"file", config},
                                           {"at", kind->path()},
                                           {"expected", "Qwen2Tokenizer or Qwen2TokenizerFast"},
                                           {"got", kind->string()},
                                           {"try", "a tokenizer.json, which says what it is"}});
    file.set("added_tokens", detail::read_added_tokens_decoder(settings));
  }
  return tokenizer_from_json(file);
}

}  // namespace vlm
