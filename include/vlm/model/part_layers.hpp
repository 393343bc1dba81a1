// What a model asks of the layers of its parts, as concepts with names that a compiler can print. Mergers are ordinary
// layers, from patches to visual tokens (nn/layer.hpp). Encoder and decoder call hook(i, rows) after block i, whose rows it
// may change; their backward calls it with the gradient at that block's output, in reverse.
//   encoder   forward(runtime, VisionInputs, y, saved, hook), backward(runtime, VisionInputs, saved, dy, hook)
//   decoder   embed_tokens, an Embedding or its like; forward(runtime, x, y, saved, hook) from embedded rows to normed
//             hidden ones, backward(runtime, saved, dy, dx, hook)
// Both have visit(f) and are made from the sizes in config.json, VisionSizes or TextSizes.
#pragma once

#include <concepts>
#include <cstdint>

#include <vlm/nn/layer.hpp>
#include <vlm/text/qwen3.hpp>
#include <vlm/vision/siglip2.hpp>

namespace vlm {

namespace detail {

struct AnyHook {
  template <class Rows>
  void operator()(Index, Rows) const {}
};
template <class E>
using Inputs = VisionInputs<typename E::Device, typename E::T>;

}  // namespace detail

template <class L, class E>
concept EncoderForward =
    HasSaved<L> && Visitable<L> && std::constructible_from<L, const VisionSizes&> &&
    requires(const L layer, On<E> runtime, const detail::Inputs<E>& in, Out<E> y, typename L::Saved& saved,
             detail::AnyHook hook) { layer.forward(runtime, in, y, saved, hook); };
template <class L, class E>
concept EncoderBackward =
    requires(const L layer, On<E> runtime, const detail::Inputs<E>& in, const typename L::Saved& saved,
             In<E> dy, detail::AnyHook hook) { layer.backward(runtime, in, saved, dy, hook); };

template <class L, class E>
concept DecoderForward = HasSaved<L> && Visitable<L> && std::constructible_from<L, const TextSizes&> &&
                         requires(const L layer, On<E> runtime, In<E> x, Out<E> y, typename L::Saved& saved,
                                  detail::AnyHook hook, View<const std::int32_t, 1, typename E::Device> ids) {
                           layer.embed_tokens.forward(runtime, ids, y);
                           layer.embed_tokens.weight.matrix();
                           layer.forward(runtime, x, y, saved, hook);
                         };
template <class L, class E>
concept DecoderBackward =
    requires(const L layer, On<E> runtime, const typename L::Saved& saved, In<E> dy, Out<E> dx,
             detail::AnyHook hook, View<const std::int32_t, 1, typename E::Device> ids) {
      layer.embed_tokens.backward(runtime, ids, dy);
      layer.backward(runtime, saved, dy, dx, hook);
    };

namespace detail {

// The compiler's note on a failure names the part and its layer.
template <class Part, class Layer, bool IsLayer>
struct LayerOfPart {
  static_assert(
      IsLayer,
      "vlm: the layer of a part lacks something that the model calls; model/part_layers.hpp says what the "
      "layers of encoder, merger and decoder have.");
  static constexpr bool value = true;
};
template <class Part, class Layer, bool Passes, bool HasBackward>
struct TrainedPart {
  static_assert(
      !Passes || HasBackward,
      "vlm: a part that trains, or that gradients pass on their way to one that does, has a layer without "
      "backward(Runtime&, const Saved&, In dy, Out dx). Add it, or take the part out of Trainable<...>.");
  static constexpr bool value = true;
};

}  // namespace detail

}  // namespace vlm
