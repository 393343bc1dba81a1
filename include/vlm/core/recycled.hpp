// Memory that a thread uses again: what is given back waits for the next request of its size, so that work which is done
// over and over allocates in its first rounds alone.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>

namespace vlm {

namespace detail {

// Lists of free blocks whose sizes are powers of two; a block holds the address of the next.
class RecycledBlocks {
 public:
  RecycledBlocks() = default;
  RecycledBlocks(const RecycledBlocks&) = delete;
  RecycledBlocks& operator=(const RecycledBlocks&) = delete;
  ~RecycledBlocks() {
    for (void* block : free_)
      while (block) std::free(std::exchange(block, *static_cast<void**>(block)));
  }
  static RecycledBlocks& of_this_thread() {
    static thread_local RecycledBlocks blocks;
    return blocks;
  }

  void* take(std::size_t bytes) {
    if (bytes > std::numeric_limits<std::size_t>::max() / 4) throw std::bad_alloc();
    void*& list = list_of(bytes);
    if (list) {
      kept_ -= size_of_block(bytes);
      return std::exchange(list, *static_cast<void**>(list));
    }
    void* memory = std::aligned_alloc(line, size_of_block(bytes));
    if (!memory) throw std::bad_alloc();
    return memory;
  }
  void give(void* memory, std::size_t bytes) {
    const std::size_t size = size_of_block(bytes);
    if (size > most_kept - kept_) return std::free(memory);
    kept_ += size;
    void*& list = list_of(bytes);
    *static_cast<void**>(memory) = list;
    list = memory;
  }

 private:
  static constexpr std::size_t line = 64, most_kept = std::size_t{1} << 28;

  static std::size_t size_of_block(std::size_t bytes) { return std::bit_ceil(bytes < line ? line : bytes); }
  void*& list_of(std::size_t bytes) {
    return free_[static_cast<std::size_t>(std::countr_zero(size_of_block(bytes)))];
  }

  std::array<void*, std::numeric_limits<std::size_t>::digits> free_{};  // by the logarithm of the size
  std::size_t kept_ = 0;
};

}  // namespace detail

// An allocator for vectors of plain values that live as long as a piece of work. `resize(n)` leaves new elements
// indeterminate. Aligned to a cache line. Up to 256 MiB stay with the thread that gives them back until it ends, so such a
// vector must not outlive its thread.
template <class T>
struct Recycled {
  static_assert(std::is_trivial_v<T>, "only values that need no construction may be left unwritten");
  using value_type = T;

  Recycled() = default;
  template <class U>
  Recycled(const Recycled<U>&) {}

  T* allocate(std::size_t count) {
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_alloc();
    return static_cast<T*>(detail::RecycledBlocks::of_this_thread().take(count * sizeof(T)));
  }
  void deallocate(T* memory, std::size_t count) {
    detail::RecycledBlocks::of_this_thread().give(static_cast<void*>(memory), count * sizeof(T));
  }

  template <class U>
  void construct(U*) {}
  template <class U, class... Arguments>
  void construct(U* element, Arguments&&... arguments) {
    ::new (static_cast<void*>(element)) U(std::forward<Arguments>(arguments)...);
  }
  friend bool operator==(const Recycled&, const Recycled&) { return true; }
};

}  // namespace vlm
