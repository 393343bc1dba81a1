// Sums whose order is fixed by the size alone, so that they are equal for any number of threads.
#pragma once

#include <cstdint>
#include <vlm/core/queue.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

// result[0] += sum of x^2, in double.
template <class D, class T>
struct SquaredNorm {
  View<const T, 1, D> x{};      // [count]
  View<double, 1, D> result{};  // [1], adds
};

// index[i] = the position of the largest value in row i, the lowest of equals.
template <class D, class T>
struct ArgMax {
  View<const T, 2, D> x{};           // [rows, features]
  View<std::int32_t, 1, D> index{};  // [rows]
};

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const SquaredNorm<Cpu, T>&);
template <class T>
void compute(Queue<Cpu>&, const SquaredNorm<Cpu, T>&, Scratch);
template <class T>
void compute(Queue<Cpu>&, const ArgMax<Cpu, T>&, Scratch);

}  // namespace vlm
