// Spans of what a container holds. std::span's own constructor from a range has g++ prove anew for every type, at every
// inclusion, that the container is one; these take its data() and its size().
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>

namespace vlm {

// The elements of a vector, a string or another span, to be read. They live as long as the container does.
template <class Container>
auto span_of(const Container& container) {
  using Element = std::remove_pointer_t<decltype(container.data())>;
  return std::span<const Element>(container.data(), container.size());
}

// The same as bytes; the elements must be trivially copyable.
template <class Container>
std::span<const std::byte> bytes_of(const Container& container) {
  using Element = std::remove_cv_t<std::remove_pointer_t<decltype(container.data())>>;
  static_assert(std::is_trivially_copyable_v<Element>, "vlm: only numbers and the like are bytes");
  return {reinterpret_cast<const std::byte*>(container.data()), container.size() * sizeof(Element)};
}

}  // namespace vlm
