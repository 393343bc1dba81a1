#include <vlm/model/part_layers.hpp>

#include <boost/test/unit_test.hpp>

#include <vlm/vision/merger.hpp>

using namespace vlm;

namespace {

using E = Env<Cpu, F32, Trained>;

// A tower for answering only.
struct Forwards {
  struct Saved {};
  explicit Forwards(const VisionSizes&) {}
  template <class Hook>
  void forward(On<E>, const VisionInputs<Cpu, float>&, Out<E>, Saved&, Hook&&) const {}
  template <class F>
  void visit(F&&) {}
};
// The same without a word about its parameters.
struct Nameless {
  struct Saved {};
  explicit Nameless(const VisionSizes&) {}
  template <class Hook>
  void forward(On<E>, const VisionInputs<Cpu, float>&, Out<E>, Saved&, Hook&&) const {}
};

// An ordinary layer for answering only.
struct Plain {
  using Environment = E;
  static constexpr bool trained = false;
  struct Saved {};
  Shape<2> out_shape(Index rows) const { return {{rows, 8}}; }
  void forward(On<E>, In<E>, Out<E>, Saved&) const {}
};

}  // namespace

BOOST_AUTO_TEST_SUITE(model_part_layers)

BOOST_AUTO_TEST_CASE(layers_of_the_stock_parts) {
  static_assert(EncoderForward<SigLIP2Encoder<E>, E> && EncoderBackward<SigLIP2Encoder<E>, E>);
  using Text = Qwen3Decoder<E, Dense::Layer<E>>;
  static_assert(DecoderForward<Text, E> && DecoderBackward<Text, E>);
  static_assert(Differentiable<MainMerger<E>, E> && Differentiable<TapMerger<E>, E>);
  static_assert(!EncoderForward<Text, E> && !DecoderForward<SigLIP2Encoder<E>, E>);
  BOOST_TEST((detail::TrainedPart<int, Text, true, true>::value &&
              detail::TrainedPart<int, Text, false, false>::value &&
              detail::LayerOfPart<int, Text, true>::value));
}

BOOST_AUTO_TEST_CASE(a_layer_may_lack_a_backward_and_nothing_else) {
  static_assert(EncoderForward<Forwards, E> && !EncoderBackward<Forwards, E>);
  static_assert(!EncoderForward<Nameless, E>);
  static_assert(!EncoderForward<RmsNorm<E>, E>);
  BOOST_TEST((EncoderForward<Forwards, E>));
}

// A combinator has a backward where all of its layers have one.
BOOST_AUTO_TEST_CASE(a_missing_backward_shows_through_combinators) {
  static_assert(!Backward<Plain, E>);
  static_assert(!Backward<Chain<Plain, RmsNorm<E>>, E> && !Backward<Chain<RmsNorm<E>, Plain>, E>);
  static_assert(!Backward<Residual<RmsNorm<E>, Plain>, E> && !Backward<Recompute<Plain>, E>);
  static_assert(!Backward<Stack<Plain>, E>);
  static_assert(Backward<Stack<Recompute<Residual<RmsNorm<E>, Chain<RmsNorm<E>, RmsNorm<E>>>>>, E>);
  BOOST_TEST((!Backward<Plain, E> && !Plain::trained));
}

BOOST_AUTO_TEST_SUITE_END()
