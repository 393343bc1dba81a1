// View<T, Rank, Device>: pointer, extents, one pitch; it owns nothing.
// Row-major: neighbours in the first dimension are `pitch` elements apart, inner dimensions are dense.
// An empty view (null) means "not wanted".
#pragma once

#include <type_traits>

#include <vlm/core/device.hpp>
#include <vlm/core/shape.hpp>

namespace vlm {

// Converts to an empty view of any type: `dx = nothing` asks for no gradient.
struct Nothing {};
inline constexpr Nothing nothing{};

template <class T, int Rank, class Device>
struct View {
  using Value = T;
  T* data = nullptr;
  Index extent[Rank] = {};
  Index pitch = 0;

  constexpr View() = default;
  constexpr View(Nothing) {}
  VLM_HD constexpr View(T* pointer, Shape<Rank> shape) : data(pointer), pitch(1) {
    for (int axis = 0; axis < Rank; ++axis) extent[axis] = shape[axis];
    for (int axis = 1; axis < Rank; ++axis) pitch *= shape[axis];
  }
  // View<T> converts to View<const T>.
  template <class U>
    requires(std::is_same_v<const U, T> && !std::is_const_v<U>)
  VLM_HD constexpr View(const View<U, Rank, Device>& other) : data(other.data), pitch(other.pitch) {
    for (int axis = 0; axis < Rank; ++axis) extent[axis] = other.extent[axis];
  }

  VLM_HD constexpr explicit operator bool() const { return data != nullptr; }
  VLM_HD constexpr Index rows() const { return extent[0]; }
  VLM_HD constexpr Index features() const {
    Index product = 1;
    for (int axis = 1; axis < Rank; ++axis) product *= extent[axis];
    return product;
  }
  VLM_HD constexpr Index count() const { return rows() * features(); }
  VLM_HD constexpr bool dense() const { return pitch == features() || rows() <= 1; }
  VLM_HD constexpr T* row(Index i) const { return data + i * pitch; }
  VLM_HD constexpr T& operator()(Index i) const
    requires(Rank == 1)
  {
    return data[i * pitch];
  }
  VLM_HD constexpr T& operator()(Index i, Index j) const
    requires(Rank == 2)
  {
    return data[i * pitch + j];
  }

  // `size` rows beginning at `from`.
  VLM_HD constexpr View rows(Index from, Index size) const {
    View part = *this;
    if (part.data) part.data += from * pitch;
    part.extent[0] = size;
    return part;
  }
  // `size` columns beginning at `from`; the pitch stays.
  VLM_HD constexpr View columns(Index from, Index size) const
    requires(Rank == 2)
  {
    View part = *this;
    if (part.data) part.data += from;
    part.extent[1] = size;
    return part;
  }
};

// True where a gradient of this type can be asked for; `Nothing` is known to be unwanted at compile time.
template <class V>
inline constexpr bool wanted = !std::is_same_v<std::remove_cvref_t<V>, Nothing>;

template <class T, int Rank, class Device>
std::string shape_text(const View<T, Rank, Device>& view) {
  return shape_text(view.extent);
}

}  // namespace vlm
