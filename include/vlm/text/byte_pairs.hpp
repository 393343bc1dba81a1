// Byte pair encoding of one piece: the adjacent pair with the lowest rank merges, leftmost first, until no
// pair of the list is left. Short pieces are scanned; long ones go through a heap, so that a run of n letters
// costs n log n.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>

namespace vlm {

// Two neighbours and what they become; the place in the list of merges is the rank.
struct Merge {
  std::int32_t left, right, result;
};

namespace detail {

// Open-addressing table (left, right) -> (rank, result); one cache line per probe in most cases.
class MergeTable {
 public:
  static constexpr std::int32_t no_rank = std::numeric_limits<std::int32_t>::max();
  struct Entry {
    std::int32_t left = -1, right = -1;
    std::int32_t rank = no_rank, result = -1;
  };

  // Of two merges of the same pair the second is refused: only one could ever act.
  explicit MergeTable(const std::vector<Merge>& merges) {
    std::size_t size = 16;
    while (size < merges.size() * 2) size *= 2;
    entries_.resize(size);
    for (std::size_t rank = 0; rank < merges.size(); ++rank) {
      const Merge& merge = merges[rank];
      Entry& entry = entries_[slot(merge.left, merge.right)];
      if (entry.rank != no_rank) {
        throw ConfigError("tokenizer-merges", {{"at", "merge " + std::to_string(rank)},
                                               {"expected", "each pair once"},
                                               {"got", "the pair of merge " + std::to_string(entry.rank)},
                                               {"try", "fetch the tokenizer again; its file is damaged"}});
      }
      entry = {merge.left, merge.right, static_cast<std::int32_t>(rank), merge.result};
    }
  }

  // The entry of the pair; its rank is no_rank when the pair does not merge.
  const Entry& find(std::int32_t left, std::int32_t right) const { return entries_[slot(left, right)]; }

 private:
  // Where the pair stands, or the free place where it would.
  std::size_t slot(std::int32_t left, std::int32_t right) const {
    const auto key = static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
                     static_cast<std::uint32_t>(right);
    const std::size_t mask = entries_.size() - 1;
    std::size_t at = static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> 20) & mask;
    while (entries_[at].rank != no_rank && (entries_[at].left != left || entries_[at].right != right))
      at = (at + 1) & mask;
    return at;
  }

  std::vector<Entry> entries_;
};

}  // namespace detail

class BytePairs {
 public:
  explicit BytePairs(std::vector<Merge> merges) : merges_(std::move(merges)), table_(merges_) {}

  const std::vector<Merge>& merges() const { return merges_; }

  // Which of the tokens 0 to count - 1 come out of `merge` in one piece when their bytes go in, so that a look-up can
  // take its place. is_byte(id) tells the tokens that no merge makes. All of them are told only of merges in order,
  // where each makes a token of its own out of earlier ones; of others just the bytes.
  template <class IsByte>
  std::vector<bool> whole_tokens(std::size_t count, IsByte&& is_byte) const {
    std::vector<bool> whole(count);
    std::vector<std::int32_t> makers(count, -1);  // ranks
    for (std::size_t id = 0; id < count; ++id) whole[id] = is_byte(id);
    for (std::size_t rank = 0; rank < merges_.size(); ++rank) {
      const Merge& merge = merges_[rank];
      std::int32_t& maker = makers[static_cast<std::size_t>(merge.result)];
      if (maker >= 0 || whole[static_cast<std::size_t>(merge.result)]) return bytes_alone(count, is_byte);
      maker = static_cast<std::int32_t>(rank);
    }
    for (std::size_t rank = 0; rank < merges_.size(); ++rank) {
      const auto left = static_cast<std::size_t>(merges_[rank].left);
      const auto right = static_cast<std::size_t>(merges_[rank].right);
      const auto order = static_cast<std::int32_t>(rank);
      if (makers[left] >= order || makers[right] >= order) return bytes_alone(count, is_byte);
      if (whole[left] && whole[right] && nothing_crosses(merges_[rank], makers))
        whole[static_cast<std::size_t>(merges_[rank].result)] = true;
    }
    return whole;
  }

  // Merges the symbols from `begin` to the end of `ids` in place.
  void merge(std::vector<std::int32_t>& ids, std::size_t begin) const {
    const std::size_t count = ids.size() - begin;
    if (count < 2) return;
    const std::size_t left = count <= longest_scanned ? merge_by_scanning(ids.data() + begin, count)
                                                      : merge_by_heap(ids.data() + begin, count);
    ids.resize(begin + left);
  }

 private:
  static constexpr std::int32_t no_rank = detail::MergeTable::no_rank;
  static constexpr std::size_t longest_scanned = 64;

  template <class IsByte>
  static std::vector<bool> bytes_alone(std::size_t count, IsByte&& is_byte) {
    std::vector<bool> bytes(count);
    for (std::size_t id = 0; id < count; ++id) bytes[id] = is_byte(id);
    return bytes;
  }

  // Both halves grow by merges of rising rank, from bytes. Undoes these, the latest first, and looks whether the two
  // tokens at the border would have merged before the one that is undone. Equal ranks act from left to right.
  bool nothing_crosses(const Merge& merge, const std::vector<std::int32_t>& makers) const {
    std::int32_t left = merge.left, right = merge.right;
    for (;;) {
      const std::int32_t left_rank = makers[static_cast<std::size_t>(left)];
      const std::int32_t right_rank = makers[static_cast<std::size_t>(right)];
      if (left_rank < 0 && right_rank < 0) return true;
      if (left_rank > right_rank) {
        left = merges_[static_cast<std::size_t>(left_rank)].right;
        if (table_.find(left, right).rank < left_rank) return false;
      } else {
        right = merges_[static_cast<std::size_t>(right_rank)].left;
        if (table_.find(left, right).rank <= right_rank) return false;
      }
    }
  }

  // Both return how many ids are left.
  std::size_t merge_by_scanning(std::int32_t* ids, std::size_t count) const {
    std::array<std::int32_t, longest_scanned> ranks;  // ranks[i]: of the pair (i, i + 1)
    for (std::size_t i = 0; i + 1 < count; ++i) ranks[i] = table_.find(ids[i], ids[i + 1]).rank;
    ranks[count - 1] = no_rank;
    while (count > 1) {
      std::int32_t* const last = ranks.data() + count;
      std::int32_t* const lowest = std::min_element(ranks.data(), last);
      if (*lowest == no_rank) break;
      const auto at = static_cast<std::size_t>(lowest - ranks.data());
      ids[at] = merges_[static_cast<std::size_t>(*lowest)].result;
      std::copy(ids + at + 2, ids + count, ids + at + 1);
      std::copy(lowest + 2, last, lowest + 1);
      --count;
      ranks[at] = at + 1 < count ? table_.find(ids[at], ids[at + 1]).rank : no_rank;
      if (at > 0) ranks[at - 1] = table_.find(ids[at - 1], ids[at]).rank;
    }
    return count;
  }

  // A doubly linked list of symbols, and a heap of pairs that may have become stale since they were pushed.
  struct Symbol {
    std::size_t previous, next;
    std::int32_t rank;  // of the pair with the next symbol
  };
  struct Candidate {
    std::int32_t rank;
    std::size_t at;
    // Orders a heap with the lowest rank on top, leftmost first.
    bool operator<(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };

  std::size_t merge_by_heap(std::int32_t* ids, std::size_t count) const {
    std::vector<Symbol> symbols(count);
    std::vector<Candidate> heap;
    const auto set_rank = [&](std::size_t i) {
      const std::size_t next = symbols[i].next;
      symbols[i].rank = next < count ? table_.find(ids[i], ids[next]).rank : no_rank;
      if (symbols[i].rank != no_rank) heap.push_back({symbols[i].rank, i});
      return symbols[i].rank != no_rank;
    };
    for (std::size_t i = 0; i < count; ++i) {
      symbols[i] = {i == 0 ? 0 : i - 1, i + 1, no_rank};
      set_rank(i);
    }
    std::make_heap(heap.begin(), heap.end());
    while (!heap.empty()) {
      std::pop_heap(heap.begin(), heap.end());
      const Candidate best = heap.back();
      heap.pop_back();
      if (symbols[best.at].rank != best.rank) continue;
      const std::size_t gone = symbols[best.at].next;
      ids[best.at] = merges_[static_cast<std::size_t>(best.rank)].result;
      symbols[gone].rank = no_rank;
      symbols[best.at].next = symbols[gone].next;
      if (symbols[best.at].next < count) symbols[symbols[best.at].next].previous = best.at;
      if (set_rank(best.at)) std::push_heap(heap.begin(), heap.end());
      if (best.at > 0 && set_rank(symbols[best.at].previous)) std::push_heap(heap.begin(), heap.end());
    }
    std::size_t left = 0;
    for (std::size_t i = 0; i < count; i = symbols[i].next) ids[left++] = ids[i];
    return left;
  }

  std::vector<Merge> merges_;
  detail::MergeTable table_;
};

}  // namespace vlm
