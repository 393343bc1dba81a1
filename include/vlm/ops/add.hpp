// Sums and copies of rows:  into = a + b  and  into = from.
#pragma once

#include <vlm/core/queue.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

template <class D, class T>
struct Add {
  View<T, 2, D> into{};          // [rows, features], may be a or b itself
  View<const T, 2, D> a{}, b{};  // [rows, features]
};

template <class D, class T>
struct Copy {
  View<T, 2, D> into{};        // [rows, features]
  View<const T, 2, D> from{};  // [rows, features]
};

template <class T>
void compute(Queue<Cpu>&, const Add<Cpu, T>&, Scratch);
template <class T>
void compute(Queue<Cpu>&, const Copy<Cpu, T>&, Scratch);

}  // namespace vlm
