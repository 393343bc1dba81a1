// Stack<Block>: blocks in turn, their number a value. A hook sees the rows after
// each block (taps, DeepStack).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <vlm/nn/layer.hpp>
#include <vlm/ops/add.hpp>

namespace vlm {

template <class Block>
struct Stack {
  using Environment = typename Block::Environment;
  using E = Environment;
  using T = typename E::T;
  static constexpr bool trained = Block::trained;
  struct Saved {
    typename Block::Saved* blocks = nullptr;
  };
  struct NoHook {
    void operator()(Index, Out<E>) const {}
  };

  std::vector<Block> blocks;

  // Of at least one block, or ConfigError [layer-size].
  explicit Stack(std::vector<Block> list) : blocks(std::move(list)) {
    require_sizes("Stack", !blocks.empty(), "at least one block", {depth()});
  }
  Index depth() const { return static_cast<Index>(blocks.size()); }
  Shape<2> out_shape(Index rows) const { return blocks.front().out_shape(rows); }

  // hook(i, rows) runs after block i and may change the rows. x and y have equal shapes; y may not be x.
  template <class Hook = NoHook>
  void forward(On<E> s, In<E> x, Out<E> y, Saved& saved, Hook&& hook = {}) const {
    if (E::passes && s.keeping())
      forward_keeping(s, x, y, saved, hook);
    else
      forward_forgetting(s, x, y, hook);
  }

  // The last y.rows() rows of a single sequence, while nothing is kept for a backward. The last block computes no others
  // where it can, and its hook sees no others.
  template <class Hook = NoHook>
  void forward_last(On<E> s, In<E> x, Out<E> y, Hook&& hook = {}) const {
    Out<E> places[2];
    for (Out<E>& rows : places) rows = s.template keep<T>(x.rows(), x.extent[1]);
    for (Index i = 0; i + 1 < depth(); ++i) {
      run_block(s, i, x, places[i % 2], hook);
      x = places[i % 2];
    }
    if constexpr (ForwardLast<Block, E>) {
      s.set_block(depth() - 1);
      {
        const auto given_back = s.scope();
        typename Block::Saved slot;
        blocks.back().forward_last(s, x, y, slot);
      }
      hook(depth() - 1, y);
    } else {
      const Out<E> all = places[(depth() - 1) % 2];
      run_block(s, depth() - 1, x, all, hook);
      s.run(Copy<typename E::Device, T>{.into = y, .from = last_rows(all, y.rows())});
    }
  }

  // hook(i, gradient rows) runs before block i's backward and may change the gradient at the block's output.
  template <class Dx, class Hook = NoHook>
  void backward(On<E> s, const Saved& saved, In<E> dy, Dx dx, Hook&& hook = {}) const
    requires(Backward<Block, E>)
  {
    const auto given_back = s.scope();
    Out<E> gradient = s.template scratch<T>(dy.rows(), dy.extent[1]);
    Out<E> next = s.template scratch<T>(dy.rows(), dy.extent[1]);
    s.run(Copy<typename E::Device, T>{.into = gradient, .from = dy});
    for (Index i = depth() - 1; i > 0; --i) {
      s.set_block(i);
      hook(i, gradient);
      blocks[static_cast<std::size_t>(i)].backward(s, saved.blocks[i], gradient, next);
      std::swap(gradient, next);
    }
    s.set_block(0);
    hook(0, gradient);
    blocks.front().backward(s, saved.blocks[0], gradient, dx);
  }

  template <class F>
  void visit(F&& f) {
    for (std::size_t i = 0; i < blocks.size(); ++i) f(std::to_string(i), blocks[i]);
  }

 private:
  template <class Hook>
  void forward_keeping(On<E> s, In<E> x, Out<E> y, Saved& saved, Hook& hook) const {
    saved.blocks = s.template records<typename Block::Saved>(depth());
    for (Index i = 0; i < depth(); ++i) {
      s.set_block(i);
      const Out<E> rows = i + 1 < depth() ? s.template keep<T>(x.rows(), x.extent[1]) : y;
      blocks[static_cast<std::size_t>(i)].forward(s, x, rows, saved.blocks[i]);
      hook(i, rows);
      x = rows;
    }
  }

  // Nothing outlives a block but its rows, which alternate between two places.
  template <class Hook>
  void forward_forgetting(On<E> s, In<E> x, Out<E> y, Hook& hook) const {
    const Out<E> spare = s.template keep<T>(x.rows(), x.extent[1]);
    for (Index i = 0; i < depth(); ++i) {
      const Out<E> rows = (depth() - i) % 2 == 1 ? y : spare;
      run_block(s, i, x, rows, hook);
      x = rows;
    }
  }
  template <class Hook>
  void run_block(On<E> s, Index i, In<E> x, Out<E> y, Hook& hook) const {
    s.set_block(i);
    {
      const auto given_back = s.scope();
      typename Block::Saved slot;
      blocks[static_cast<std::size_t>(i)].forward(s, x, y, slot);
    }
    hook(i, y);
  }
};

}  // namespace vlm
