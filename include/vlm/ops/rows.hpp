// Rows at places: the road of visual rows into and out of the text stream, and of rows to and from experts.
#pragma once

#include <cstdint>
#include <vlm/core/queue.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

// into[at[i]] = from[i]; the places are distinct.
template <class D, class T>
struct PlaceRows {
  View<T, 2, D> into{};                 // [rows, features]
  View<const std::int32_t, 1, D> at{};  // [count]
  View<const T, 2, D> from{};           // [count, features]
};

// into[at[i]] += from[i]; the places are distinct.
template <class D, class T>
struct AddRows {
  View<T, 2, D> into{};                 // [rows, features]
  View<const std::int32_t, 1, D> at{};  // [count]
  View<const T, 2, D> from{};           // [count, features]
};

// into[i] = from[at[i]]; places may repeat.
template <class D, class T>
struct TakeRows {
  View<T, 2, D> into{};                 // [count, features]
  View<const std::int32_t, 1, D> at{};  // [count]
  View<const T, 2, D> from{};           // [rows, features]
};

// into[at[i]] = 0.
template <class D, class T>
struct ZeroRows {
  View<T, 2, D> into{};                 // [rows, features]
  View<const std::int32_t, 1, D> at{};  // [count]
};

template <class T>
void compute(Queue<Cpu>&, const PlaceRows<Cpu, T>&, Scratch);
template <class T>
void compute(Queue<Cpu>&, const AddRows<Cpu, T>&, Scratch);
template <class T>
void compute(Queue<Cpu>&, const TakeRows<Cpu, T>&, Scratch);
template <class T>
void compute(Queue<Cpu>&, const ZeroRows<Cpu, T>&, Scratch);

}  // namespace vlm
