// Activations, element by element:
//   GeluTanh  y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))      GeluErf  y = x/2 (1 + erf(x / sqrt 2))
//   SwiGlu    y = gate sigmoid(gate) * up
#pragma once

#include <vlm/core/queue.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

enum class Gelu { Tanh, Erf };

// What a product may apply to its result before it is stored.
enum class Activation { None, GeluTanh, GeluErf };

template <class D, class T>
struct GeluForward {
  View<const T, 2, D> x{};  // [rows, features]
  View<T, 2, D> y{};        // [rows, features], may be x itself
  Gelu kind = Gelu::Tanh;
};

template <class D, class T>
struct GeluBackward {
  View<const T, 2, D> dy{}, x{};  // [rows, features]
  View<T, 2, D> dx{};             // [rows, features], may be dy itself
  Gelu kind = Gelu::Tanh;
};

template <class D, class T>
struct SwiGluForward {
  View<const T, 2, D> gate{}, up{};  // [rows, features]
  View<T, 2, D> y{};                 // [rows, features], may be gate itself
};

template <class D, class T>
struct SwiGluBackward {
  View<const T, 2, D> dy{}, gate{}, up{};  // [rows, features]
  View<T, 2, D> dgate{}, dup{};            // [rows, features]; may be gate and up themselves
};

template <class T>
void compute(Queue<Cpu>&, const GeluForward<Cpu, T>&, Scratch);
template <class T>
void compute(Queue<Cpu>&, const GeluBackward<Cpu, T>&, Scratch);
template <class T>
void compute(Queue<Cpu>&, const SwiGluForward<Cpu, T>&, Scratch);
template <class T>
void compute(Queue<Cpu>&, const SwiGluBackward<Cpu, T>&, Scratch);

}  // namespace vlm
