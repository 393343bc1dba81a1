// A part that trains needs a backward, also where the layer that lacks one stands inside a chain.
// expected: vlm: a part that trains, or that gradients pass on their way to one that does, has a layer without
#include <vlm/model/model.hpp>

using namespace vlm;

// Rows as they are, for answering only.
template <class E_>
struct Unchanged {
  using Environment = E_;
  using E = E_;
  static constexpr bool trained = false;
  struct Saved {};
  Index features;
  Shape<2> out_shape(Index rows) const { return {{rows, features}}; }
  void forward(On<E>, In<E>, Out<E>, Saved&) const {}
#ifndef WRONG
  template <class Dx>
  void backward(On<E>, const Saved&, In<E>, Dx) const {}
#endif
  template <class F>
  void visit(F&&) {}
};
template <class E>
struct OwnMerger : Chain<Unchanged<E>, Fold<2, 2, E>, Named<"proj", Linear<E>>> {
  explicit OwnMerger(const MergerSizes& n)
      : Chain<Unchanged<E>, Fold<2, 2, E>, Named<"proj", Linear<E>>>(
            Unchanged<E>{n.features}, Fold<2, 2, E>(n.features),
            Named<"proj", Linear<E>>(4 * n.features, n.outputs)) {}
};
struct Own {
  template <class E>
  using Layer = OwnMerger<E>;
};
using Spec = Vlm<Encoder<SigLIP2>, Merger<Own>, Decoder<Qwen3, Dense>, Rope<InterleavedM>>;

const std::size_t answering = sizeof(Model<Spec, Cpu>);  // needs no backward
const std::size_t training = sizeof(Model<Spec, Cpu, F32, Trainable<part::Merger>>);
