// Tokenizer: text <-> token ids, byte-level BPE as the Qwen2, Qwen2.5 and Qwen3 families use it.
// encode: added tokens are cut out of the raw text, then NFC, then pieces, then byte pairs inside each piece.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/span_of.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>
#include <vlm/text/added_tokens.hpp>
#include <vlm/text/byte_pairs.hpp>
#include <vlm/text/normalization.hpp>
#include <vlm/text/plain_tokenizer_file.hpp>
#include <vlm/text/pre_tokenizer.hpp>
#include <vlm/text/token_table.hpp>
#include <vlm/text/tokenizer_json.hpp>
#include <vlm/text/tokenizer_parts.hpp>
#include <vlm/text/unicode.hpp>

namespace vlm {

enum class SpecialTokens : bool { Keep, Skip };

// Immutable once made: many threads may use one object.
class Tokenizer {
 public:
  explicit Tokenizer(TokenizerDefinition definition)
      : normalises_(definition.normalises),
        tokens_(std::move(definition.tokens)),
        added_tokens_(std::move(definition.added_tokens)),
        finder_(words(added_tokens_)),
        byte_pairs_(std::move(definition.merges)),
        base_size_(tokens_.size()) {
    special_.resize(tokens_.size());
    for (const AddedToken& token : added_tokens_) {
      const auto id = static_cast<std::size_t>(token.id);
      if (id == tokens_.size()) {
        tokens_.push_back(token.text);
        special_.push_back(false);
      }
      special_[id] = token.special;
    }
    const std::vector<bool> whole =
        byte_pairs_.whole_tokens(base_size_, [this](std::size_t id) { return tokens_[id].size() == 1; });
    table_ = TokenTable(tokens_.size());
    for (std::size_t id = 0; id < tokens_.size(); ++id)
      table_.add(tokens_, static_cast<std::int32_t>(id), id < base_size_ && whole[id]);
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const char text = static_cast<char>(static_cast<unsigned char>(byte));
      byte_ids_[byte] = id_of({&text, 1}).value();
    }
  }

  static Tokenizer from_json(const Json& file) { return Tokenizer(tokenizer_from_json(file)); }

  // Reads a tokenizer.json, named itself or by its folder; a folder without one may have vocab.json and merges.txt.
  static Tokenizer load(const std::string& path) {
    const std::string file = path.ends_with(".json") ? path : path + "/tokenizer.json";
    if (file != path && !file_exists(file) && file_exists(path + "/vocab.json"))
      return Tokenizer(read_tokenizer_parts(path));
    return Tokenizer(read_tokenizer_json(MappedFile(file).text(), file));
  }

  Json to_json() const {
    const auto base_end = tokens_.begin() + static_cast<std::ptrdiff_t>(base_size_);
    return tokenizer_to_json({{tokens_.begin(), base_end}, byte_pairs_.merges(), added_tokens_, normalises_});
  }

  // Nothing is added around the text. Bad UTF-8 is read as U+FFFD. Text that spells an added token becomes
  // that token: whoever passes on foreign text decides whether it may. The second form appends; it allocates nothing
  // else for text in NFC whose words have up to 64 bytes.
  std::vector<std::int32_t> encode(std::string_view text) const {
    std::vector<std::int32_t> ids;
    ids.reserve(text.size() / 3 + 8);
    encode(text, ids);
    return ids;
  }
  void encode(std::string_view text, std::vector<std::int32_t>& ids) const {
    finder_.split(
        text, [&](std::string_view between) { encode_between(between, ids); },
        [&](std::size_t index) { ids.push_back(added_tokens_[index].id); });
  }
  // As encode, but text that spells a special token stays text; or an added token of which stays(AddedToken) says so.
  std::vector<std::int32_t> encode_plain(std::string_view text) const {
    return encode_plain(text, [](const AddedToken& token) { return token.special; });
  }
  template <class Stays>
  std::vector<std::int32_t> encode_plain(std::string_view text, Stays&& stays) const {
    std::vector<std::int32_t> ids;
    std::size_t begin = 0, at = 0;  // of what is not encoded yet
    finder_.split(
        text, [&](std::string_view between) { at += between.size(); },
        [&](std::size_t index) {
          const AddedToken& token = added_tokens_[index];
          if (!stays(token)) {
            encode_between(text.substr(begin, at - begin), ids);
            ids.push_back(token.id);
            begin = at + token.text.size();
          }
          at += token.text.size();
        });
    encode_between(text.substr(begin), ids);
    return ids;
  }

  // The text of the ids; bytes that make no character become U+FFFD. DataError for an id without a token.
  std::string decode(std::span<const std::int32_t> ids, SpecialTokens special = SpecialTokens::Keep) const {
    std::string bytes;
    for (const std::int32_t id : ids) {
      const std::string& token = bytes_of(id);
      if (special == SpecialTokens::Keep || !is_special(id)) bytes += token;
    }
    return repair_utf8(bytes);
  }

  // The token whose text (bytes, for a part of a character) is exactly this.
  std::optional<std::int32_t> id_of(std::string_view token) const {
    const std::int32_t id = table_.find(tokens_, token).id;
    return id < 0 ? std::nullopt : std::optional(id);
  }

  // What a token stands for, bytes that may be a part of a character. DataError for an id without a token.
  const std::string& bytes_of(std::int32_t id) const {
    if (id < 0 || static_cast<std::size_t>(id) >= tokens_.size()) {
      throw DataError("token-id",
                      {{"expected", "a token id below " + std::to_string(tokens_.size())},
                       {"got", std::to_string(id)},
                       {"try", "the tokenizer that belongs to the model; models may have more rows"}});
    }
    return tokens_[static_cast<std::size_t>(id)];
  }

  // Added tokens included; a model may have more rows than this.
  std::size_t vocabulary_size() const { return tokens_.size(); }

  bool is_special(std::int32_t id) const {
    return id >= 0 && static_cast<std::size_t>(id) < special_.size() &&
           special_[static_cast<std::size_t>(id)];
  }

  std::span<const AddedToken> added_tokens() const { return span_of(added_tokens_); }

 private:
  static std::vector<std::string> words(const std::vector<AddedToken>& tokens) {
    std::vector<std::string> texts;
    texts.reserve(tokens.size());
    for (const AddedToken& token : tokens) texts.push_back(token.text);
    return texts;
  }

  void encode_between(std::string_view text, std::vector<std::int32_t>& ids) const {
    if (is_settled(text)) return encode_pieces(text, ids);
    encode_pieces(normalises_ ? to_nfc(text) : repair_utf8(text), ids);
  }

  void encode_pieces(std::string_view text, std::vector<std::int32_t>& ids) const {
    for_each_piece(text, [&](std::string_view piece) {
      const TokenTable::Entry& entry = table_.find(tokens_, piece);
      if (entry.whole) return ids.push_back(entry.id);
      const std::size_t begin = ids.size();
      for (const char byte : piece) ids.push_back(byte_ids_[static_cast<unsigned char>(byte)]);
      byte_pairs_.merge(ids, begin);
    });
  }

  bool normalises_;
  std::vector<std::string> tokens_;  // the bytes of each token, by id
  std::vector<AddedToken> added_tokens_;
  WordFinder finder_;
  BytePairs byte_pairs_;
  std::size_t base_size_;
  std::vector<bool> special_;
  TokenTable table_;
  std::array<std::int32_t, 256> byte_ids_;
};

// Decodes ids one by one and never gives half a character: what `push` and `finish` return is, put together,
// what Tokenizer::decode makes of all the ids. The tokenizer must outlive it.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, SpecialTokens special = SpecialTokens::Keep)
      : tokenizer_(&tokenizer), special_(special) {
    pending_.reserve(256);
  }

  // The text that this token completes, possibly none; the second form appends it.
  std::string push(std::int32_t id) {
    std::string text;
    push(id, text);
    return text;
  }
  void push(std::int32_t id, std::string& text) {
    const std::string& token = tokenizer_->bytes_of(id);
    if (special_ == SpecialTokens::Keep || !tokenizer_->is_special(id)) pending_ += token;
    const std::size_t complete = complete_size();
    append_repaired_utf8(text, std::string_view(pending_).substr(0, complete));
    pending_.erase(0, complete);
  }

  // What is left at the end: nothing, or U+FFFD for the start of a character.
  std::string finish() { return repair_utf8(std::exchange(pending_, {})); }

 private:
  // How much of the pending bytes is characters, or can no longer become one.
  std::size_t complete_size() const {
    std::size_t size = 0;
    while (size < pending_.size()) {
      const Utf8Character next = decode_utf8(std::string_view(pending_).substr(size));
      if (next.status == Utf8Status::Incomplete) break;
      size += next.size;
    }
    return size;
  }

  const Tokenizer* tokenizer_;
  SpecialTokens special_;
  std::string pending_;
};

inline void save_tokenizer(const Tokenizer& tokenizer, const std::string& path) {
  write_file_atomically(path, write_json(tokenizer.to_json(), 2));
}

}  // namespace vlm
