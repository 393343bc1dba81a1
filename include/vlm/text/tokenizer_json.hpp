// tokenizer.json, the file of the Hugging Face library `tokenizers`: what a byte-level BPE tokenizer of the
// Qwen2 family consists of, read from it and written to it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/io/json.hpp>
#include <vlm/text/byte_pairs.hpp>
#include <vlm/text/pre_tokenizer.hpp>
#include <vlm/text/unicode.hpp>

namespace vlm {

// A token that is cut out of the raw text. Special ones can be left out of decoded text.
struct AddedToken {
  std::int32_t id = 0;
  std::string text;
  bool special = false;
};

struct TokenizerDefinition {
  std::vector<std::string> tokens;  // the bytes of each token of the base vocabulary, by id
  std::vector<Merge> merges;        // the lowest rank first
  std::vector<AddedToken> added_tokens;
  bool normalises = true;  // NFC before the text is cut into pieces
};

namespace detail {

// Byte-level vocabularies write each byte as one printable character: the printable bytes of Latin-1 as
// themselves, the others, in their order, as U+0100 and the following.
inline bool is_printable_byte(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

class ByteAlphabet {
 public:
  ByteAlphabet() {
    bytes_.fill(-1);
    char32_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      characters_[byte] = is_printable_byte(byte) ? static_cast<char32_t>(byte) : next++;
      bytes_[characters_[byte]] = static_cast<std::int16_t>(byte);
    }
  }

  // The byte that a character stands for, or -1.
  int to_byte(char32_t character) const { return character < bytes_.size() ? bytes_[character] : -1; }

  std::string to_characters(std::string_view bytes) const {
    std::string text;
    for (const char byte : bytes) append_utf8(text, characters_[static_cast<unsigned char>(byte)]);
    return text;
  }

  // Replaces `bytes` by what the characters stand for; false when one of them stands for no byte.
  bool to_bytes(std::string_view characters, std::string& bytes) const {
    bytes.clear();
    while (!characters.empty()) {
      const Utf8Character next = decode_utf8(characters);
      const int byte = to_byte(next.code_point);
      if (byte < 0) return false;
      bytes += static_cast<char>(static_cast<unsigned char>(byte));
      characters.remove_prefix(next.size);
    }
    return true;
  }

  // All bytes in the order of their characters, in which base vocabularies begin.
  std::string bytes_in_order() const {
    std::string bytes;
    for (const std::int16_t byte : bytes_) {
      if (byte >= 0) bytes += static_cast<char>(static_cast<unsigned char>(byte));
    }
    return bytes;
  }

 private:
  std::array<char32_t, 256> characters_;
  std::array<std::int16_t, 0x100 + 68> bytes_;  // 68 bytes are not printable
};

class TokenizerReader {
 public:
  explicit TokenizerReader(const Json& file) : file_(file) {}

  TokenizerDefinition read() {
    read_settings();
    read_vocabulary(file_.at("model").at("vocab"));
    read_merges(file_.at("model").at("merges"));
    read_added_tokens();
    return std::move(definition_);
  }

  // Of a file whose vocabulary and merges were read already.
  TokenizerDefinition read_around(std::vector<std::string> tokens, std::vector<Merge> merges) {
    definition_.tokens = std::move(tokens);
    definition_.merges = std::move(merges);
    read_settings();
    read_added_tokens();
    return std::move(definition_);
  }

 private:
  void read_settings() {
    definition_.normalises = read_normalizer();
    check_pre_tokenizer();
    check_type(file_, "decoder", "ByteLevel");
    if (const Json* processor = file_.find("post_processor"); processor && !processor->is_null())
      check_type(file_, "post_processor", "ByteLevel");
    check_type(file_, "model", "BPE");
    check_model(file_.at("model"));
  }

  [[noreturn]] static void refuse(std::string_view id, const Json& where, std::string expected,
                                  std::string got) {
    throw ConfigError(id, {{"file", where.document()},
                           {"at", detail::place(where)},
                           {"expected", std::move(expected)},
                           {"got", std::move(got)},
                           {"try", "a tokenizer.json of the Qwen2, Qwen2.5 or Qwen3 family"}});
  }

  static std::string describe(const Json& value) { return write_json(value, -1).substr(0, 200); }

  static const Json& part(const Json& object, std::string_view key) {
    static const Json null;
    const Json* found = object.find(key);
    return found ? *found : null;
  }

  static void check_type(const Json& object, std::string_view key, std::string_view wanted) {
    const Json& value = part(object, key);
    if (value.is_null())
      refuse("tokenizer-kind", object, std::string(key) + " " + std::string(wanted), "none");
    const Json& type = value.at("type");
    if (type.string() != wanted) refuse("tokenizer-kind", type, std::string(wanted), type.string());
  }

  // A setting that must have this value, or be absent or null.
  static void check_setting(const Json& object, std::string_view key, const Json& wanted) {
    const Json* value = object.find(key);
    if (!value || value->is_null() || describe(*value) == describe(wanted)) return;
    refuse("tokenizer-setting", *value, describe(wanted), describe(*value));
  }

  bool read_normalizer() const {
    if (part(file_, "normalizer").is_null()) return false;
    check_type(file_, "normalizer", "NFC");
    return true;
  }

  void check_pre_tokenizer() const {
    check_type(file_, "pre_tokenizer", "Sequence");
    const Json& sequence = file_.at("pre_tokenizer");
    const Json& steps = sequence.at("pretokenizers");
    if (steps.items().size() != 2 || steps.at(0).at("type").string() != "Split" ||
        steps.at(1).at("type").string() != "ByteLevel")
      refuse("tokenizer-kind", steps, "Split and ByteLevel", describe(steps));
    const Json& pattern = steps.at(0).at("pattern");
    const Json* expression = pattern.find("Regex");
    if (!expression || expression->string() != qwen2_split_pattern)
      refuse("tokenizer-kind", pattern, "Regex " + std::string(qwen2_split_pattern), describe(pattern));
    check_setting(steps.at(0), "behavior", "Isolated");
    check_setting(steps.at(0), "invert", false);
    check_setting(steps.at(1), "add_prefix_space", false);
    check_setting(steps.at(1), "use_regex", false);
  }

  static void check_model(const Json& model) {
    check_setting(model, "dropout", nullptr);
    check_setting(model, "unk_token", nullptr);
    check_setting(model, "continuing_subword_prefix", "");
    check_setting(model, "end_of_word_suffix", "");
    check_setting(model, "byte_fallback", false);
    check_setting(model, "ignore_merges", false);
  }

  void read_vocabulary(const Json& vocabulary) {
    const auto& members = vocabulary.members();
    definition_.tokens.resize(members.size());
    std::vector<bool> seen(members.size());
    ids_.reserve(members.size());
    for (const auto& [text, value] : members) {
      const std::int64_t id = value.integer();
      if (id < 0 || id >= std::ssize(members) || seen[static_cast<std::size_t>(id)]) {
        refuse("tokenizer-vocabulary", vocabulary,
               "each id from 0 to " + std::to_string(members.size() - 1) + " once",
               std::to_string(id) + " for \"" + text + "\"");
      }
      seen[static_cast<std::size_t>(id)] = true;
      if (!alphabet_.to_bytes(text, definition_.tokens[static_cast<std::size_t>(id)]))
        refuse("tokenizer-vocabulary", vocabulary, "tokens in the byte-level alphabet", "\"" + text + "\"");
      ids_.emplace(text, static_cast<std::int32_t>(id));
    }
    for (const char byte : alphabet_.bytes_in_order()) {
      const std::string text = alphabet_.to_characters({&byte, 1});
      if (!ids_.contains(text))
        refuse("tokenizer-vocabulary", vocabulary, "a token for each byte", "no \"" + text + "\"");
    }
  }

  void read_merges(const Json& merges) {
    definition_.merges.reserve(merges.items().size());
    for (const Json& merge : merges.items()) {
      const auto [left, right] = halves(merge);
      const auto id = [&](const std::string& text) {
        const auto found = ids_.find(text);
        if (found == ids_.end())
          refuse("tokenizer-merges", merge, "tokens of the vocabulary",
                 "\"" + text + "\" in " + describe(merge));
        return found->second;
      };
      definition_.merges.push_back({id(left), id(right), id(left + right)});
    }
  }

  // A merge is ["a", "b"], or "a b" in older files.
  static std::pair<std::string, std::string> halves(const Json& merge) {
    if (merge.is_string()) {
      const std::string& text = merge.string();
      const std::size_t space = text.find(' ');
      if (space != 0 && space != text.npos && space + 1 < text.size())
        return {text.substr(0, space), text.substr(space + 1)};
    } else if (merge.is_array() && merge.items().size() == 2 && merge.at(0).is_string() &&
               merge.at(1).is_string()) {
      return {merge.at(0).string(), merge.at(1).string()};
    }
    refuse("tokenizer-merges", merge, "\"a b\" or [\"a\", \"b\"]", describe(merge));
  }

  // Added tokens follow the base vocabulary without a gap, or give a token of it its second role.
  void read_added_tokens() {
    const Json& list = part(file_, "added_tokens");
    if (list.is_null()) return;
    for (const Json& entry : list.items()) {
      for (const char* key : {"single_word", "lstrip", "rstrip", "normalized"})
        check_setting(entry, key, false);
      AddedToken token{narrow_id(entry.at("id")), entry.at("content").string(),
                       entry.at("special").boolean()};
      if (token.text.empty()) refuse("tokenizer-added", entry, "a text", "an empty one");
      definition_.added_tokens.push_back(std::move(token));
    }
    auto& added = definition_.added_tokens;
    std::sort(added.begin(), added.end(),
              [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
    std::size_t next = definition_.tokens.size();
    for (std::size_t i = 0; i < added.size(); ++i) {
      const auto id = static_cast<std::size_t>(added[i].id);
      const bool again = i > 0 && added[i - 1].id == added[i].id;
      const bool in_base = id < definition_.tokens.size() && definition_.tokens[id] == added[i].text;
      if (again || (!in_base && id != next))
        refuse("tokenizer-added", list, "ids that follow the vocabulary: " + std::to_string(next) + " next",
               std::to_string(id) + " for \"" + added[i].text + "\"");
      next += !in_base;
    }
  }

  static std::int32_t narrow_id(const Json& value) {
    const std::int64_t id = value.integer();
    if (id < 0 || id > std::numeric_limits<std::int32_t>::max())
      refuse("tokenizer-added", value, "an id of 31 bits", std::to_string(id));
    return static_cast<std::int32_t>(id);
  }

  const Json& file_;
  ByteAlphabet alphabet_;
  std::unordered_map<std::string_view, std::int32_t> ids_;
  TokenizerDefinition definition_;
};

}  // namespace detail

// Reads what tokenizer.json says. Anything that would tokenize differently from what is implemented here is a
// ConfigError that names it; truncation and padding are the business of whoever makes batches.
inline TokenizerDefinition tokenizer_from_json(const Json& file) {
  return detail::TokenizerReader(file).read();
}

// A complete tokenizer.json.
inline Json tokenizer_to_json(const TokenizerDefinition& definition) {
  const detail::ByteAlphabet alphabet;
  const auto token = [&](std::int32_t id) {
    return Json(alphabet.to_characters(definition.tokens[static_cast<std::size_t>(id)]));
  };
  Json added = Json::array();
  for (const AddedToken& entry : definition.added_tokens) {
    added.push_back(Json::object({{"id", entry.id},
                                  {"content", entry.text},
                                  {"single_word", false},
                                  {"lstrip", false},
                                  {"rstrip", false},
                                  {"normalized", false},
                                  {"special", entry.special}}));
  }
  std::vector<Json::Member> vocabulary;
  vocabulary.reserve(definition.tokens.size());
  for (std::size_t id = 0; id < definition.tokens.size(); ++id)
    vocabulary.emplace_back(alphabet.to_characters(definition.tokens[id]), static_cast<std::int64_t>(id));
  Json merges = Json::array();
  for (const Merge& merge : definition.merges)
    merges.push_back(Json::array({token(merge.left), token(merge.right)}));

  const Json byte_level = Json::object(
      {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", false}});
  const Json split = Json::object({{"type", "Split"},
                                   {"pattern", Json::object({{"Regex", qwen2_split_pattern}})},
                                   {"behavior", "Isolated"},
                                   {"invert", false}});
  const Json model = Json::object({{"type", "BPE"},
                                   {"dropout", nullptr},
                                   {"unk_token", nullptr},
                                   {"continuing_subword_prefix", ""},
                                   {"end_of_word_suffix", ""},
                                   {"fuse_unk", false},
                                   {"byte_fallback", false},
                                   {"ignore_merges", false},
                                   {"vocab", Json::object(std::move(vocabulary))},
                                   {"merges", std::move(merges)}});
  return Json::object({{"version", "1.0"},
                       {"truncation", nullptr},
                       {"padding", nullptr},
                       {"added_tokens", std::move(added)},
                       {"normalizer", definition.normalises ? Json::object({{"type", "NFC"}}) : Json()},
                       {"pre_tokenizer", Json::object({{"type", "Sequence"},
                                                       {"pretokenizers", Json::array({split, byte_level})}})},
                       {"post_processor", byte_level},
                       {"decoder", byte_level},
                       {"model", model}});
}

}  // namespace vlm
