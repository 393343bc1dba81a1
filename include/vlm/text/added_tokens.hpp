// Added tokens in raw text: the leftmost occurrence, and there the longest token.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vlm {

// Finds any of a few fixed words in texts.
class WordFinder {
 public:
  // Words are not empty; the index of a word in this list is what `split` reports.
  explicit WordFinder(std::vector<std::string> words) : words_(std::move(words)) {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (starting_with(words_[i][0]).empty()) first_bytes_ += words_[i][0];
      starting_with(words_[i][0]).push_back(i);
    }
    for (auto& candidates : by_first_byte_) {
      std::sort(candidates.begin(), candidates.end(),
                [this](std::size_t a, std::size_t b) { return words_[a].size() > words_[b].size(); });
    }
  }

  // Calls between(text) for each stretch without words and word(index) for each word, from left to right.
  template <class Between, class Word>
  void split(std::string_view text, Between&& between, Word&& word) const {
    std::size_t begin = 0;
    for (std::size_t at = next_start(text, 0); at < text.size(); at = next_start(text, at)) {
      const std::size_t found = longest_at(text, at);
      if (found == words_.size()) {
        ++at;
        continue;
      }
      if (at > begin) between(text.substr(begin, at - begin));
      word(found);
      begin = at += words_[found].size();
    }
    if (begin < text.size()) between(text.substr(begin));
  }

 private:
  // Where a word could begin; with one first byte, which is the rule, at the speed of memory.
  std::size_t next_start(std::string_view text, std::size_t from) const {
    return std::min(text.size(), first_bytes_.size() == 1 ? text.find(first_bytes_[0], from)
                                                          : text.find_first_of(first_bytes_, from));
  }

  std::vector<std::size_t>& starting_with(char byte) {
    return by_first_byte_[static_cast<unsigned char>(byte)];
  }

  std::size_t longest_at(std::string_view text, std::size_t at) const {
    for (const std::size_t i : by_first_byte_[static_cast<unsigned char>(text[at])]) {
      if (text.substr(at).starts_with(words_[i])) return i;
    }
    return words_.size();
  }

  std::vector<std::string> words_;
  std::string first_bytes_;
  std::array<std::vector<std::size_t>, 256> by_first_byte_;
};

}  // namespace vlm
