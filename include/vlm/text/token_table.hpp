// Which token has these bytes: an open-addressing table whose entries hold the first eight bytes, so that short
// tokens are found without a look at the tokens themselves.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace vlm {

namespace detail {

// The first bytes of `text`, up to eight, the first one lowest.
inline std::uint64_t leading_bytes(std::string_view text) {
  std::uint64_t bytes = 0;
  if (text.size() >= 8) {
    std::memcpy(&bytes, text.data(), 8);
    return bytes;
  }
  const auto part = [text](std::size_t at) { return std::uint64_t{static_cast<unsigned char>(text[at])}; };
  if constexpr (std::endian::native == std::endian::little) {
    if (text.size() >= 4) {  // two halves that may overlap
      std::uint32_t low = 0, high = 0;
      std::memcpy(&low, text.data(), 4);
      std::memcpy(&high, text.data() + text.size() - 4, 4);
      return low | std::uint64_t{high} << 8 * (text.size() - 4);
    }
  }
  for (std::size_t i = 0; i < text.size(); ++i) bytes |= part(i) << 8 * i;
  return bytes;
}

}  // namespace detail

// The tokens stay with their owner, who hands them to each call: texts by id.
class TokenTable {
 public:
  struct Entry {
    std::uint64_t beginning = 0;
    std::int32_t id = -1;
    std::uint32_t size : 31 = 0;
    // Whether byte pairs make exactly this token of its bytes; see BytePairs::whole_tokens.
    std::uint32_t whole : 1 = 0;
  };

  // Room for `count` tokens.
  explicit TokenTable(std::size_t count = 0) : entries_(std::bit_ceil(count + count / 2 + 16)) {}

  // Adds the text of `id`; the id that already has this text, which then stays, or -1.
  std::int32_t add(const std::vector<std::string>& tokens, std::int32_t id, bool whole = false) {
    const std::string& token = tokens[static_cast<std::size_t>(id)];
    Entry& entry = entries_[slot(tokens, token)];
    if (entry.id >= 0) return entry.id;
    entry = {detail::leading_bytes(token), id, static_cast<std::uint32_t>(token.size()) & ~(1u << 31), whole};
    return -1;
  }

  // The entry of the token with this text; its id is -1 when there is none.
  const Entry& find(const std::vector<std::string>& tokens, std::string_view text) const {
    return entries_[slot(tokens, text)];
  }

 private:
  std::size_t slot(const std::vector<std::string>& tokens, std::string_view text) const {
    const std::uint64_t beginning = detail::leading_bytes(text);
    std::uint64_t hash = beginning + text.size();
    if (text.size() > 8) {
      for (std::size_t at = 8; at < text.size(); at += 8)
        hash = mix(hash) ^ detail::leading_bytes(text.substr(at));
    }
    const std::size_t mask = entries_.size() - 1;
    std::size_t at = static_cast<std::size_t>(mix(hash)) & mask;
    while (entries_[at].id >= 0 && !is(entries_[at], tokens, beginning, text)) at = (at + 1) & mask;
    return at;
  }

  static std::uint64_t mix(std::uint64_t hash) {
    hash *= 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 32;
  }

  static bool is(const Entry& entry, const std::vector<std::string>& tokens, std::uint64_t beginning,
                 std::string_view text) {
    return entry.beginning == beginning && entry.size == text.size() &&
           (text.size() <= 8 || tokens[static_cast<std::size_t>(entry.id)] == text);
  }

  std::vector<Entry> entries_;
};

}  // namespace vlm
