// Two bump arenas. Arena<Device> holds a step's tensors: kept activations grow from the bottom, scratch from
// the top, and a mark gives both ends back. HostArena holds small host-side records (saved slots of a stack).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include <vlm/core/buffer.hpp>
#include <vlm/core/error.hpp>

namespace vlm {

// In measuring mode the arena hands out fake addresses that are never null and never read, and remembers how
// many bytes the same calls will need; `reserve` then makes the one allocation.
template <class Device>
class Arena {
 public:
  static constexpr std::size_t alignment = 64;
  struct Mark {
    std::size_t bottom = 0, top = 0;
  };

  std::byte* keep(std::size_t bytes) {
    const std::size_t offset = bottom_;
    bottom_ += round_up(bytes);
    check_space();
    return address(offset);
  }
  std::byte* scratch(std::size_t bytes) {
    top_ += round_up(bytes);
    check_space();
    return measuring_ ? address(top_) : address(capacity() - top_);
  }

  Mark mark() const { return {bottom_, top_}; }
  void release(Mark mark) {
    bottom_ = mark.bottom;
    top_ = mark.top;
  }

  bool measuring() const { return measuring_; }
  void begin_measuring() {
    measuring_ = true;
    peak_ = 0;
  }
  // Ends measuring; the largest number of bytes in use at once.
  std::size_t end_measuring() {
    measuring_ = false;
    return peak_;
  }

  // Makes room for `bytes`; only between steps, when nothing is held.
  void reserve(std::size_t bytes) {
    bytes = std::max(bytes, alignment);
    if (bytes <= capacity()) return;
    if (bottom_ != 0 || top_ != 0)
      throw DeviceError("arena-in-use",
                        {{"expected", "an empty arena"}, {"try", "reserve memory between steps"}});
    buffer_ = Buffer<Device>(alignment);  // gives the old one back first
    buffer_ = Buffer<Device>(round_up(bytes));
  }
  std::size_t capacity() const { return buffer_.size(); }

 private:
  static std::size_t round_up(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }
  std::byte* address(std::size_t offset) const {
    return measuring_ ? reinterpret_cast<std::byte*>(alignment + offset) : buffer_.data() + offset;
  }
  void check_space() {
    if (measuring_) {
      peak_ = std::max(peak_, bottom_ + top_);
    } else if (bottom_ + top_ > capacity()) {
      throw DeviceError("arena-full",
                        {{"expected", "at most " + std::to_string(capacity()) + " bytes in use"},
                         {"got", std::to_string(bottom_ + top_) + " bytes"},
                         {"try", "plan the runtime with the largest batch first"}});
    }
  }

  Buffer<Device> buffer_{alignment};  // never null, so that views of no rows are not taken for unwanted ones
  std::size_t bottom_ = 0, top_ = 0, peak_ = 0;
  bool measuring_ = false;
};

// Grows by blocks that are kept for later steps; records are trivially destructible.
class HostArena {
 public:
  struct Mark {
    std::size_t block = 0, used = 0;
  };

  template <class T>
  T* allocate(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<T>, "vlm: saved records hold views and numbers only.");
    static_assert(alignof(T) <= alignof(std::max_align_t));
    T* items = reinterpret_cast<T*>(take(count * sizeof(T)));
    for (std::size_t i = 0; i < count; ++i) new (items + i) T();
    return items;
  }
  Mark mark() const { return {block_, used_}; }
  void release(Mark mark) {
    block_ = mark.block;
    used_ = mark.used;
  }

 private:
  struct Block {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size = 0;
  };

  std::byte* take(std::size_t bytes) {
    bytes = (bytes + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t);
    while (block_ < blocks_.size() && used_ + bytes > blocks_[block_].size) {
      ++block_;
      used_ = 0;
    }
    if (block_ == blocks_.size()) {
      const std::size_t size = std::max<std::size_t>(bytes, 64 * 1024);
      blocks_.push_back({std::make_unique<std::byte[]>(size), size});
      used_ = 0;
    }
    std::byte* start = blocks_[block_].bytes.get() + used_;
    used_ += bytes;
    return start;
  }

  std::vector<Block> blocks_;
  std::size_t block_ = 0, used_ = 0;
};

}  // namespace vlm
