// Training a byte-level BPE tokenizer: the most frequent adjacent pair inside the pieces becomes a
// token, again and again. The same corpus gives the same tokenizer everywhere: higher count first,
// then the lower ids.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <queue>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/text/added_tokens.hpp>
#include <vlm/text/byte_pairs.hpp>
#include <vlm/text/normalization.hpp>
#include <vlm/text/pre_tokenizer.hpp>
#include <vlm/text/tokenizer.hpp>
#include <vlm/text/tokenizer_json.hpp>

namespace vlm {

struct TokenizerTraining {
  std::size_t vocabulary = 512;  // ids in all; fewer when the corpus has too few pairs
  std::vector<std::string> special_tokens = {"<|endoftext|>",    "<|im_start|>",   "<|im_end|>",
                                             "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
                                             "<|video_pad|>"};
  std::vector<std::string> visible_tokens = {"<think>", "</think>"};  // added tokens that decoded text keeps
  std::int64_t minimum_count = 2;                                     // of a pair that merges
};

namespace detail {

class PairCounter {
 public:
  using Pair = std::pair<std::int32_t, std::int32_t>;

  void add_word(std::vector<std::int32_t> ids, std::int64_t count) {
    words_.push_back({std::move(ids), count});
    count_pairs(words_.size() - 1, 1);
  }

  // The pair to merge next; false when no pair occurs `minimum` times.
  bool best(std::int64_t minimum, Pair& pair) {
    push_touched();
    while (!queue_.empty()) {
      const Candidate top = queue_.top();
      const std::int64_t count = statistics_[key(top.pair)].count;
      if (count == top.count) {
        pair = top.pair;
        return count >= minimum;
      }
      queue_.pop();
      if (count > 0 && count < top.count) queue_.push({count, top.pair});
    }
    return false;
  }

  void merge(const Merge& merge) {
    std::vector<std::size_t> places = std::move(statistics_[key({merge.left, merge.right})].words);
    std::sort(places.begin(), places.end());
    places.erase(std::unique(places.begin(), places.end()), places.end());
    for (const std::size_t word : places) {
      count_pairs(word, -1);
      replace(words_[word].ids, merge);
      count_pairs(word, 1);
    }
  }

 private:
  struct Word {
    std::vector<std::int32_t> ids;
    std::int64_t count;
  };
  struct Statistics {
    std::int64_t count = 0;
    std::vector<std::size_t> words;  // where the pair occurs or once occurred
  };
  struct Candidate {
    std::int64_t count;
    Pair pair;
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };

  static std::uint64_t key(const Pair& pair) {
    return static_cast<std::uint64_t>(pair.first) << 32 | static_cast<std::uint64_t>(pair.second);
  }

  void count_pairs(std::size_t word, int sign) {
    const Word& w = words_[word];
    for (std::size_t i = 0; i + 1 < w.ids.size(); ++i) {
      const Pair pair{w.ids[i], w.ids[i + 1]};
      Statistics& statistics = statistics_[key(pair)];
      statistics.count += sign * w.count;
      if (sign > 0 && (statistics.words.empty() || statistics.words.back() != word))
        statistics.words.push_back(word);
      touched_.insert(pair);
    }
  }

  static void replace(std::vector<std::int32_t>& ids, const Merge& merge) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const bool here = i + 1 < ids.size() && ids[i] == merge.left && ids[i + 1] == merge.right;
      ids[size++] = here ? merge.result : ids[i];
      i += here;
    }
    ids.resize(size);
  }

  void push_touched() {
    for (const Pair& pair : touched_) {
      const std::int64_t count = statistics_[key(pair)].count;
      if (count > 0) queue_.push({count, pair});
    }
    touched_.clear();
  }

  std::vector<Word> words_;
  std::unordered_map<std::uint64_t, Statistics> statistics_;
  std::priority_queue<Candidate> queue_;
  std::set<Pair> touched_;
};

// How often each piece occurs, in a fixed order; added tokens and single bytes have nothing to merge.
inline std::map<std::string, std::int64_t> count_pieces(std::string_view corpus, const WordFinder& added) {
  std::map<std::string, std::int64_t> counts;
  const auto count_between = [&counts](std::string_view text) {
    for_each_piece(to_nfc(text), [&counts](std::string_view piece) {
      if (piece.size() > 1) ++counts[std::string(piece)];
    });
  };
  added.split(corpus, count_between, [](std::size_t) {});
  return counts;
}

inline void check_training(const TokenizerTraining& training, const std::vector<std::string>& added) {
  const std::size_t least = 256 + added.size();
  const auto most = static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max());
  if (training.vocabulary < least || training.vocabulary > most) {
    throw ConfigError("tokenizer-vocabulary",
                      {{"expected", "at least " + std::to_string(least) + " ids: 256 bytes and " +
                                        std::to_string(added.size()) + " added tokens"},
                       {"got", std::to_string(training.vocabulary)},
                       {"try", "a larger vocabulary, or fewer added tokens"}});
  }
  std::set<std::string> seen;
  for (const std::string& token : added) {
    if (token.size() > 1 && seen.insert(token).second) continue;
    throw ConfigError("tokenizer-added", {{"expected", "added tokens of two bytes or more, each once"},
                                          {"got", "\"" + token + "\""},
                                          {"try", "leave out what is empty or stands twice"}});
  }
}

// Extends tokens and merges up to `size` tokens. No token comes up twice: what happens inside a stretch of
// text that ends up as one token depends on that stretch alone.
inline void learn_merges(TokenizerDefinition& definition, PairCounter& pairs, std::size_t size,
                         std::int64_t minimum) {
  std::vector<std::string>& tokens = definition.tokens;
  PairCounter::Pair pair;
  while (tokens.size() < size && pairs.best(minimum, pair)) {
    const Merge merge{pair.first, pair.second, static_cast<std::int32_t>(tokens.size())};
    tokens.push_back(tokens[static_cast<std::size_t>(merge.left)] +
                     tokens[static_cast<std::size_t>(merge.right)]);
    definition.merges.push_back(merge);
    pairs.merge(merge);
  }
}

}  // namespace detail

// Ids: the 256 bytes, then one per merge, then the special and the visible tokens.
inline Tokenizer train_tokenizer(std::string_view corpus, const TokenizerTraining& training = {}) {
  std::vector<std::string> added = training.special_tokens;
  added.insert(added.end(), training.visible_tokens.begin(), training.visible_tokens.end());
  detail::check_training(training, added);

  TokenizerDefinition definition;
  std::int32_t byte_ids[256];
  for (const char byte : detail::ByteAlphabet().bytes_in_order()) {
    byte_ids[static_cast<unsigned char>(byte)] = static_cast<std::int32_t>(definition.tokens.size());
    definition.tokens.emplace_back(1, byte);
  }
  detail::PairCounter pairs;
  for (const auto& [piece, count] : detail::count_pieces(corpus, WordFinder(added))) {
    std::vector<std::int32_t> ids;
    for (const char byte : piece) ids.push_back(byte_ids[static_cast<unsigned char>(byte)]);
    pairs.add_word(std::move(ids), count);
  }
  detail::learn_merges(definition, pairs, training.vocabulary - added.size(),
                       std::max<std::int64_t>(training.minimum_count, 1));
  for (std::size_t i = 0; i < added.size(); ++i) {
    const auto id = static_cast<std::int32_t>(definition.tokens.size() + i);
    definition.added_tokens.push_back({id, added[i], i < training.special_tokens.size()});
  }
  return Tokenizer(std::move(definition));
}

}  // namespace vlm
