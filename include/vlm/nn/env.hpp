// Env: where and how a layer lives, as one template parameter; and the short names that layers use.
#pragma once

#include <vlm/core/dtype.hpp>
#include <vlm/core/runtime.hpp>

namespace vlm {

// What a part of the network does in a backward pass: its parameters learn; gradients only
// flow through it; neither.
struct Trained {
  static constexpr bool trained = true, passes = true;
};
struct Passing {
  static constexpr bool trained = false, passes = true;
};
struct Inert {
  static constexpr bool trained = false, passes = false;
};

// Which activations a trained block keeps for its backward: all, or only its input (the
// rest is computed again).
struct Everything {};
struct BlockInputs {};

// Number formats of activations and of parameter gradients.
struct F32 {
  using Storage = float;
  using Grad = float;
};
struct Bf16 {
  using Storage = bf16;
  using Grad = float;
};

template <class DeviceT, class PrecisionT, class ModeT, class KeepT = Everything>
struct Env {
  using Device = DeviceT;
  using T = typename PrecisionT::Storage;
  using Grad = typename PrecisionT::Grad;
  using Keep = KeepT;
  static constexpr bool trained = ModeT::trained;
  static constexpr bool passes = ModeT::passes;
};

template <class E>
using In = View<const typename E::T, 2, typename E::Device>;  // [rows, features]
template <class E>
using Out = View<typename E::T, 2, typename E::Device>;  // [rows, features]
template <class E>
using On = Runtime<typename E::Device>&;

}  // namespace vlm
