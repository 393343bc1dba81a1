#include <vlm/nn/layer.hpp>

#include <boost/test/unit_test.hpp>

#include "nn/layers.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

struct ForwardOnly {
  struct Saved {};
  Shape<2> out_shape(Index rows) const { return {{rows, 1}}; }
  template <class S, class X, class Y>
  void forward(S&, X, Y, Saved&) const {}
  template <class F>
  void visit(F&&) {}
};
struct Whole : ForwardOnly {
  template <class S, class Dy, class Dx>
  void backward(S&, const Saved&, Dy, Dx) const {}
};
struct WithoutSaved {
  Shape<2> out_shape(Index rows) const { return {{rows, 1}}; }
  template <class F>
  void visit(F&&) {}
};
struct WithoutShape {
  struct Saved {};
  template <class S, class X, class Y>
  void forward(S&, X, Y, Saved&) const {}
  template <class F>
  void visit(F&&) {}
};

}  // namespace

BOOST_AUTO_TEST_SUITE(nn_layer)

BOOST_AUTO_TEST_CASE(concepts_tell_layers_apart) {
  using E = TrainedEnv;
  static_assert(Layer<Whole, E> && Differentiable<Whole, E>);
  static_assert(Layer<ForwardOnly, E> && !Differentiable<ForwardOnly, E> && !Backward<ForwardOnly, E>);
  static_assert(!HasSaved<WithoutSaved> && !Forward<WithoutSaved, E> && Visitable<WithoutSaved>);
  static_assert(Forward<WithoutShape, E> && !Layer<WithoutShape, E>);
  static_assert(!Layer<int, E> && !Visitable<int>);
  BOOST_TEST((Differentiable<Whole, InertEnv>));
}

BOOST_AUTO_TEST_SUITE_END()
