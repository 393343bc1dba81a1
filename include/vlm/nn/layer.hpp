// What a layer is, as concepts with names that a compiler can print.
//   forward(runtime, x, y, saved) const      rows to rows; writes y, fills saved
//   backward(runtime, saved, dy, dx) const   parameter gradients add, dx is overwritten; dx may be `nothing`
//   out_shape(rows) const                    rows and features of y
//   visit(f)                                 f(name, parameter or layer) for each part
// and, where a layer that answering passes through can save work:
//   forward_last(runtime, x, y, saved) const the last y.rows() rows of a single sequence alone, with the same bits
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

#include <vlm/core/error.hpp>
#include <vlm/nn/env.hpp>

namespace vlm {

namespace detail {
struct NameSink {
  template <class Child>
  void operator()(std::string_view, Child&) const {}
};
}  // namespace detail

// Throws ShapeError [layer-rows] where the rows that a layer reads or writes are not those it is made for, before
// anything is computed. `where` names layer and rows: "Linear, x".
template <class Rows>
void require_shape(std::string_view where, const Rows& rows, const Shape<2>& expected) {
  if (rows.extent[0] == expected[0] && rows.extent[1] == expected[1]) return;
  throw ShapeError("layer-rows", {{"at", std::string(where)},
                                  {"expected", shape_text(expected)},
                                  {"got", shape_text(rows)},
                                  {"try", "sizes with which each layer gives what the next one takes"}});
}

// Throws ConfigError [layer-size] where no layer has the sizes that it is to be made with.
inline void require_sizes(std::string_view layer, bool fit, std::string_view expected,
                          std::initializer_list<Index> got) {
  if (fit) return;
  throw ConfigError("layer-size", {{"layer", std::string(layer)},
                                   {"expected", std::string(expected)},
                                   {"got", shape_text(got)},
                                   {"try", "sizes that hold what is expected"}});
}

template <class L>
concept HasSaved = requires { typename L::Saved; };

template <class L, class E>
concept Forward = HasSaved<L> && requires(const L layer, On<E> runtime, In<E> x, Out<E> y,
                                          typename L::Saved& saved) { layer.forward(runtime, x, y, saved); };

template <class L, class E>
concept Backward = HasSaved<L> && requires(const L layer, On<E> runtime, const typename L::Saved& saved,
                                           In<E> dy, Out<E> dx) { layer.backward(runtime, saved, dy, dx); };

template <class L, class E>
concept ForwardLast =
    Forward<L, E> && requires(const L layer, On<E> runtime, In<E> x, Out<E> y, typename L::Saved& saved) {
      layer.forward_last(runtime, x, y, saved);
    };

template <class L>
concept Visitable = requires(L layer, detail::NameSink sink) { layer.visit(sink); };

template <class L, class E>
concept Layer = Forward<L, E> && Visitable<L> && requires(const L layer) {
  { layer.out_shape(Index{}) } -> std::convertible_to<Shape<2>>;
};

// The last of a layer's rows.
template <class Rows>
Rows last_rows(const Rows& rows, Index count) {
  return rows.rows(rows.extent[0] - count, count);
}

// Asked for only where a gradient must pass.
template <class L, class E>
concept Differentiable = Layer<L, E> && Backward<L, E>;

}  // namespace vlm
