// The words that users compose a model from. All are empty types; sizes come from config.json.
//   Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<3>>, Decoder<Qwen3, Dense>, Rope<InterleavedM>>
#pragma once

#include <type_traits>

#include <vlm/nn/rope.hpp>
#include <vlm/text/qwen3.hpp>
#include <vlm/vision/deepstack.hpp>
#include <vlm/vision/siglip2.hpp>

namespace vlm {

template <class Tower>
struct Encoder {
  template <class E>
  using Layer = typename Tower::template Layer<E>;
};

namespace detail {
template <class T>
inline constexpr bool is_deepstack = false;
template <int N>
inline constexpr bool is_deepstack<DeepStack<N>> = true;
}  // namespace detail

template <class Kind, class Taps = DeepStack<0>>
struct Merger {
  static_assert(detail::is_deepstack<Taps>, "vlm: the second argument of Merger is DeepStack<N>, N taps.");
  using MergerKind = Kind;
  static constexpr int taps = Taps::taps;
};

template <class Family, class FeedForward>
struct Decoder {
  static constexpr bool sparse = FeedForward::sparse;
  template <class E>
  using Layer = typename Family::template Layer<E, typename FeedForward::template Layer<E>>;
};

template <class Kind>
struct Rope {
  static_assert(
      RotaryKind<Kind>,
      "vlm: Rope takes Plain1D, SectionedM, InterleavedM, Spatial2D, or a type of your own with the static "
      "functions axis and exponent.");
  using RopeKind = Kind;
};

namespace detail {
template <class T>
inline constexpr bool is_encoder = false;
template <class T>
inline constexpr bool is_encoder<Encoder<T>> = true;
template <class T>
inline constexpr bool is_merger = false;
template <class K, class N>
inline constexpr bool is_merger<Merger<K, N>> = true;
template <class T>
inline constexpr bool is_decoder = false;
template <class F, class K>
inline constexpr bool is_decoder<Decoder<F, K>> = true;
template <class T>
inline constexpr bool is_rope = false;
template <class K>
inline constexpr bool is_rope<Rope<K>> = true;
}  // namespace detail

template <class EncoderPart, class MergerPart, class DecoderPart, class RopePart>
struct Vlm {
  static_assert(detail::is_encoder<EncoderPart>, "vlm: the first argument of Vlm is Encoder<...>.");
  static_assert(detail::is_merger<MergerPart>, "vlm: the second argument of Vlm is Merger<...>.");
  static_assert(detail::is_decoder<DecoderPart>, "vlm: the third argument of Vlm is Decoder<...>.");
  static_assert(detail::is_rope<RopePart>, "vlm: the fourth argument of Vlm is Rope<...>.");
  using EncoderSpec = EncoderPart;
  using MergerSpec = MergerPart;
  using DecoderSpec = DecoderPart;
  using RopeSpec = RopePart;
  static constexpr int taps = MergerPart::taps;
  static constexpr bool sparse = DecoderPart::sparse;
};

// The released models.
using Qwen3VL = Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<3>>, Decoder<Qwen3, Dense>, Rope<InterleavedM>>;
using Qwen3VLMoE = Vlm<Encoder<SigLIP2>, Merger<MLP2, DeepStack<3>>, Decoder<Qwen3, MoE>, Rope<InterleavedM>>;

}  // namespace vlm
