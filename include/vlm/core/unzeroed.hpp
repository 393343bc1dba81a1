// Memory that is written in full before it is read: vectors of it are not zeroed first.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>

namespace vlm {

namespace detail {

// Memory that begins at a cache line, to be freed by std::free; null where there is none. Large blocks are made of huge
// pages, as far as the system grants that.
inline void* allocate_lines(std::size_t bytes) {
  constexpr std::size_t line = 64, huge_page = std::size_t{2} << 20;
  if (bytes > std::numeric_limits<std::size_t>::max() - huge_page) return nullptr;
  void* memory = nullptr;
  if (::posix_memalign(&memory, bytes >= huge_page ? huge_page : line, bytes) != 0) return nullptr;
#if defined(MADV_HUGEPAGE)
  // A wish: refusal changes nothing. Not for what is no whole page: it would take the memory of one.
  if (bytes >= huge_page) madvise(memory, bytes / huge_page * huge_page, MADV_HUGEPAGE);
#endif
  return memory;
}

}  // namespace detail

// An allocator for std::vector of plain values: `resize(n)` leaves new elements indeterminate. Aligned to a cache line;
// large blocks ask for huge pages.
template <class T>
struct Unzeroed {
  static_assert(std::is_trivial_v<T>, "only values that need no construction may be left unwritten");
  using value_type = T;

  Unzeroed() = default;
  template <class U>
  Unzeroed(const Unzeroed<U>&) {}

  T* allocate(std::size_t count) {
    const bool counts = count <= std::numeric_limits<std::size_t>::max() / sizeof(T);
    void* memory = counts ? detail::allocate_lines(count * sizeof(T)) : nullptr;
    if (!memory) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) { std::free(memory); }

  template <class U>
  void construct(U*) {}
  template <class U, class... Arguments>
  void construct(U* element, Arguments&&... arguments) {
    ::new (static_cast<void*>(element)) U(std::forward<Arguments>(arguments)...);
  }
  friend bool operator==(const Unzeroed&, const Unzeroed&) { return true; }
};

}  // namespace vlm
