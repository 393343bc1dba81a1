// KeyValueCache<Device>: the keys and values of sequences that grow. Every block of the decoder owns the same
// cells, [cells, kv_heads * head_dim]; a sequence has its cells side by side, as many as it was allotted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <vlm/core/buffer.hpp>
#include <vlm/core/error.hpp>
#include <vlm/core/runtime.hpp>
#include <vlm/core/shape.hpp>

namespace vlm {

// What a pass must know is written into memory that is used again: no pass after the first allocates, as long
// as none has more rows or sequences than one before.
template <class Device>
class KeyValueCache {
 public:
  // `blocks` of a decoder whose rows have `features` = kv_heads * head_dim keys and as many values.
  KeyValueCache(Index blocks, Index features) : blocks_(blocks), features_(features) {}

  // Makes room for one sequence of each capacity, all empty. Memory is kept where it suffices.
  void allot(std::span<const Index> capacities) {
    Index cells = 0;
    for (const Index capacity : capacities) {
      if (capacity < 0 || capacity > most_cells() - cells)
        throw ConfigError("cache-size",
                          {{"expected", "at most " + std::to_string(most_cells()) + " cells in all"},
                           {"got", std::to_string(capacity) + " for a sequence and " + std::to_string(cells) +
                                       " for those before it"},
                           {"try", "fewer or shorter sequences at once"}});
      cells += capacity;
    }
    reserve(static_cast<std::size_t>(blocks_ * cells * features_) * sizeof(float));
    first_cells_.assign(1, 0);
    for (const Index capacity : capacities) first_cells_.push_back(first_cells_.back() + capacity);
    lengths_.assign(capacities.size(), 0);
    clear_pass();
  }

  Index sequences() const { return static_cast<Index>(lengths_.size()); }
  Index cells() const { return first_cells_.back(); }
  Index capacity(Index sequence) const { return cell(sequence + 1) - cell(sequence); }
  Index length(Index sequence) const { return lengths_[static_cast<std::size_t>(sequence)]; }
  // Forgets the rows of a sequence from `length` on.
  void truncate(Index sequence, Index length) {
    if (length < 0 || length > this->length(sequence))
      throw ShapeError("cache-length", {{"at", "sequence " + std::to_string(sequence)},
                                        {"expected", "0 to " + std::to_string(this->length(sequence))},
                                        {"got", std::to_string(length)},
                                        {"try", "the length of a part of the sequence that was computed"}});
    lengths_[static_cast<std::size_t>(sequence)] = length;
  }

  // A pass: clear_pass(), then append() for each of its sequences in the order of
  // their rows, then describe().
  void clear_pass() {
    pass_cells_.clear();
    pass_begin_.clear();
    pass_counts_.clear();
  }
  // The next `rows` rows of the pass continue `sequence`.
  void append(Index sequence, Index rows) {
    const Index begin = cell(sequence), used = length(sequence);
    if (rows < 0 || rows > capacity(sequence) - used)
      throw ShapeError("cache-full",
                       {{"at", "sequence " + std::to_string(sequence)},
                        {"expected", "at most " + std::to_string(capacity(sequence)) + " rows"},
                        {"got", std::to_string(used) + " and " + std::to_string(rows) + " more"},
                        {"try", "allot the sequence all the tokens that it may grow to"}});
    for (Index i = used; i < used + rows; ++i) pass_cells_.push_back(static_cast<std::int32_t>(begin + i));
    pass_begin_.push_back(static_cast<std::int32_t>(begin));
    pass_counts_.push_back(static_cast<std::int32_t>(used + rows));
    lengths_[static_cast<std::size_t>(sequence)] += rows;
  }
  // Sets the fields of the cache; the views hold until the next clear_pass().
  void describe(Sequences<Device>& text) {
    text.cells = numbers(pass_cells_);
    text.key_begin = numbers(pass_begin_);
    text.key_counts = numbers(pass_counts_);
    const Shape<2> shape{{blocks_ * cells(), features_}};
    text.keys = {reinterpret_cast<float*>(keys_.data()), shape};
    text.values = {reinterpret_cast<float*>(values_.data()), shape};
    text.cells_per_block = cells();
  }

 private:
  using Numbers = View<const std::int32_t, 1, Device>;

  // Cells are numbered in 32 bits, and the bytes of all blocks must not overflow.
  Index most_cells() const {
    const Index bytes = std::max<Index>(1, blocks_ * features_ * static_cast<Index>(sizeof(float)));
    return std::min<Index>(std::numeric_limits<Index>::max() / bytes, 0x7fffffff);
  }
  void reserve(std::size_t bytes) {
    if (bytes <= values_.size()) return;
    keys_ = Buffer<Device>();  // gives the old memory back before the new is taken
    values_ = Buffer<Device>();
    keys_ = Buffer<Device>(bytes);
    values_ = Buffer<Device>(bytes);
  }
  Index cell(Index sequence) const { return first_cells_[static_cast<std::size_t>(sequence)]; }
  static Numbers numbers(const std::vector<std::int32_t>& values) {
    return {values.data(), Shape<1>{{static_cast<Index>(values.size())}}};
  }

  Index blocks_, features_;
  std::vector<Index> first_cells_{0};  // [sequences + 1]
  std::vector<Index> lengths_;
  std::vector<std::int32_t> pass_cells_, pass_begin_, pass_counts_;
  Buffer<Device> keys_, values_;
};

}  // namespace vlm
