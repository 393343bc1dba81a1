// Attention layers. What they need beside rows (sequence borders, rotary tables, cache) is in Runtime::sequences().
//   Attention        grouped query heads, norms on q and k per head, rotary
//                    HF: q_proj, k_proj, v_proj, q_norm, k_norm, o_proj
//   FusedAttention   one product for q, k, v, with biases, rotary
//                    HF: qkv, proj
#pragma once

#include <cmath>
#include <string>

#include <vlm/nn/linear.hpp>
#include <vlm/nn/named.hpp>
#include <vlm/nn/norm.hpp>
#include <vlm/ops/attention.hpp>
#include <vlm/ops/rope.hpp>
#include <vlm/ops/rows.hpp>
#include <vlm/ops/store_cells.hpp>

namespace vlm {

struct AttentionSizes {
  Index features = 0;  // of the rows that come in and go out
  Index heads = 0, kv_heads = 0, head_dim = 0;
  float norm_eps = 1e-6f;
};

namespace detail {

// The sizes, which are ConfigError [layer-size] where heads cannot share keys or kernels have no such head.
inline AttentionSizes checked_sizes(const AttentionSizes& n) {
  require_sizes(
      "Attention",
      n.kv_heads > 0 && n.heads > 0 && n.heads % n.kv_heads == 0 && n.head_dim > 0 && n.head_dim % 8 == 0,
      "features; heads; kv_heads, which divide them; head_dim, a multiple of 8",
      {n.features, n.heads, n.kv_heads, n.head_dim});
  return n;
}
// Where queries, keys and values also are one product of 3 * features.
inline AttentionSizes checked_fused_sizes(const AttentionSizes& n) {
  require_sizes("FusedAttention", n.heads == n.kv_heads && n.heads * n.head_dim == n.features,
                "features, which are heads * head_dim; heads; as many kv_heads; head_dim",
                {n.features, n.heads, n.kv_heads, n.head_dim});
  return checked_sizes(n);
}

// Throws ShapeError [attention-sequences] where the runtime was not told of the rows that pass.
template <class Device>
void require_sequences(const Sequences<Device>& sequences, Index rows, Index head_dim) {
  const View<const float, 2, Device>& table = sequences.cosine;
  const View<const float, 2, Device>& sine = sequences.sine;
  const bool fits = table.rows() >= rows && (table.extent[1] == 0 || 2 * table.extent[1] == head_dim) &&
                    sine && sine.rows() >= rows && sine.extent[1] == table.extent[1];
  if (sequences.query_offsets && (!table || fits)) return;
  throw ShapeError(
      "attention-sequences",
      {{"expected", "borders; rotary tables for " + shape_text(Shape<2>{{rows, head_dim / 2}}) + ", or none"},
       {"got", (sequences.query_offsets ? "borders, " : "no borders, ") + shape_text(table) + " and " +
                   shape_text(sine)},
       {"try", "set Runtime::sequences() before the pass"}});
}

// The same where only some rows are wanted.
template <class Device>
void require_last(const Sequences<Device>& sequences, Index wanted, Index rows) {
  if (wanted == rows || wanted == 0) return;
  if (wanted < rows && sequences.query_offsets.rows() == 2 && sequences.last_offsets.rows() == 2 &&
      sequences.key_counts.rows() == 1)
    return;
  throw ShapeError(
      "attention-sequences",
      {{"expected",
        "one sequence of at least " + std::to_string(wanted) + " rows, with last_offsets and key_counts"},
       {"got", std::to_string(sequences.query_offsets.rows() - 1) + " of " + std::to_string(rows) +
                   " rows in all, last_offsets " + shape_text(sequences.last_offsets) + ", key_counts " +
                   shape_text(sequences.key_counts)},
       {"try", "set Runtime::sequences() before the pass, or pass all rows"}});
}

template <class Device>
AttentionLayout<Device> attention_layout(const Sequences<Device>& sequences, const AttentionSizes& sizes) {
  return {.query_offsets = sequences.query_offsets,
          .key_begin = sequences.key_begin,
          .key_counts = sequences.key_counts,
          .heads = sizes.heads,
          .kv_heads = sizes.kv_heads,
          .head_dim = sizes.head_dim,
          .scale = 1.0f / std::sqrt(static_cast<float>(sizes.head_dim)),
          .causal = sequences.causal};
}

}  // namespace detail

template <class E_>
struct Attention {
  using Environment = E_;
  using E = E_;
  using D = typename E::Device;
  using T = typename E::T;
  static constexpr bool trained = E::trained;
  struct Saved {
    typename Linear<E>::Saved q_proj, k_proj, v_proj, o_proj;
    typename RmsNorm<E>::Saved q_norm, k_norm;
    Out<E> q, k, v, y;
    View<float, 2, D> logsumexp;
  };

  AttentionSizes sizes;
  Named<"q_proj", Linear<E>> q_proj;
  Named<"k_proj", Linear<E>> k_proj;
  Named<"v_proj", Linear<E>> v_proj;
  Named<"o_proj", Linear<E>> o_proj;
  Named<"q_norm", RmsNorm<E>> q_norm;
  Named<"k_norm", RmsNorm<E>> k_norm;

  explicit Attention(const AttentionSizes& n)
      : sizes(detail::checked_sizes(n)),
        q_proj(n.features, n.heads * n.head_dim),
        k_proj(n.features, n.kv_heads * n.head_dim),
        v_proj(n.features, n.kv_heads * n.head_dim),
        o_proj(n.heads * n.head_dim, n.features),
        q_norm(n.heads * n.head_dim, n.head_dim, n.norm_eps),
        k_norm(n.kv_heads * n.head_dim, n.head_dim, n.norm_eps) {}
  Shape<2> out_shape(Index rows) const { return {{rows, sizes.features}}; }

  void forward(On<E> s, In<E> x, Out<E> y, Saved& saved) const { attend(s, x, x.rows(), y, saved); }
  // The cells of all rows are stored.
  void forward_last(On<E> s, In<E> x, Out<E> y, Saved& saved) const { attend(s, x, y.rows(), y, saved); }

  template <class Dx>
  void backward(On<E> s, const Saved& saved, In<E> dy, Dx dx) const {
    const auto given_back = s.scope();
    const Index rows = dy.rows(), wide = sizes.heads * sizes.head_dim,
                narrow = sizes.kv_heads * sizes.head_dim;
    const Out<E> dattended = s.template scratch<T>(rows, wide), dq = s.template scratch<T>(rows, wide);
    const Out<E> dk = s.template scratch<T>(rows, narrow), dv = s.template scratch<T>(rows, narrow);
    o_proj.backward(s, saved.o_proj, dy, dattended);
    s.run(AttentionBackward<D, T>{.dy = dattended,
                                  .y = saved.y,
                                  .q = saved.q,
                                  .k = saved.k,
                                  .v = saved.v,
                                  .logsumexp = saved.logsumexp,
                                  .dq = dq,
                                  .dk = dk,
                                  .dv = dv,
                                  .layout = detail::attention_layout(s.sequences(), sizes)});
    rotate(s, dq, 0, true);
    rotate(s, dk, 0, true);
    q_norm.backward(s, saved.q_norm, dq, dq);
    k_norm.backward(s, saved.k_norm, dk, dk);
    q_proj.backward(s, saved.q_proj, dq, dx);
    k_proj.backward(s, saved.k_proj, dk, dx, true);
    v_proj.backward(s, saved.v_proj, dv, dx, true);
  }

  template <class F>
  void visit(F&& f) {
    q_proj.visit(f);
    k_proj.visit(f);
    v_proj.visit(f);
    o_proj.visit(f);
    q_norm.visit(f);
    k_norm.visit(f);
  }

 private:
  // The last `wanted` rows, with keys and values of all.
  void attend(On<E> s, In<E> x, Index wanted, Out<E> y, Saved& saved) const {
    const Index rows = x.rows(), wide = sizes.heads * sizes.head_dim,
                narrow = sizes.kv_heads * sizes.head_dim;
    const Sequences<D>& sequences = s.sequences();
    detail::require_sequences(sequences, rows, sizes.head_dim);
    detail::require_last(sequences, wanted, rows);
    const Out<E> q_raw = s.template keep<T>(wanted, wide), k_raw = s.template keep<T>(rows, narrow);
    saved.q = s.template keep<T>(wanted, wide);
    saved.k = s.template keep<T>(rows, narrow);
    saved.v = s.template keep<T>(rows, narrow);
    saved.y = s.template keep<T>(wanted, wide);
    saved.logsumexp = s.template keep<float>(wanted, sizes.heads);
    const auto key = k_proj.product(x, k_raw, saved.k_proj), value = v_proj.product(x, saved.v, saved.v_proj);
    if (wanted == rows) {
      forward_together<E>(s, x, q_proj.product(x, q_raw, saved.q_proj), key, value);
    } else {
      q_proj.forward(s, last_rows(x, wanted), q_raw, saved.q_proj);
      forward_together<E>(s, x, key, value);
    }
    q_norm.forward(s, q_raw, saved.q, saved.q_norm);
    k_norm.forward(s, k_raw, saved.k, saved.k_norm);
    rotate(s, saved.q, rows - wanted, false);
    rotate(s, saved.k, 0, false);
    In<E> keys = saved.k, values = saved.v;
    if (sequences.pages) {
      s.run(StoreCells<D, T>{.keys = keys, .values = values, .pages = sequences.pages, .block = s.block()});
      keys = values = {};
    } else if (sequences.keys) {
      const Index first = s.block() * sequences.cells_per_block;
      const View<float, 2, D> key_cells = sequences.keys.rows(first, sequences.cells_per_block);
      const View<float, 2, D> value_cells = sequences.values.rows(first, sequences.cells_per_block);
      s.run(PlaceRows<D, T>{.into = key_cells, .at = sequences.cells, .from = keys});
      s.run(PlaceRows<D, T>{.into = value_cells, .at = sequences.cells, .from = values});
      keys = key_cells;
      values = value_cells;
    }
    if (wanted == 0) return;
    AttentionLayout<D> layout = detail::attention_layout(sequences, sizes);
    if (wanted < rows) layout.query_offsets = sequences.last_offsets;
    s.run(AttentionForward<D, T>{.q = saved.q,
                                 .k = keys,
                                 .v = values,
                                 .y = saved.y,
                                 .logsumexp = saved.logsumexp,
                                 .layout = layout,
                                 .pages = sequences.pages,
                                 .block = s.block(),
                                 .rounded = sequences.pages && is_blocks(q_proj.weight.format())});
    o_proj.forward(s, saved.y, y, saved.o_proj);
  }

  // x are the rows from `first` on.
  static void rotate(On<E> s, Out<E> x, Index first, bool inverse) {
    const Sequences<D>& sequences = s.sequences();
    s.run(RopeRotate<D, T>{.x = x,
                           .cosine = sequences.cosine.rows(first, x.rows()),
                           .sine = sequences.sine.rows(first, x.rows()),
                           .inverse = inverse});
  }
};

template <class E_>
struct FusedAttention {
  using Environment = E_;
  using E = E_;
  using D = typename E::Device;
  using T = typename E::T;
  static constexpr bool trained = E::trained;
  struct Saved {
    typename Linear<E, true>::Saved qkv_proj, out_proj;
    Out<E> qkv, y;  // [rows, 3 * features] after rotation, [rows, features]
    View<float, 2, D> logsumexp;
  };

  AttentionSizes sizes;
  Named<"qkv", Linear<E, true>> qkv;
  Named<"proj", Linear<E, true>> proj;

  explicit FusedAttention(const AttentionSizes& n)
      : sizes(detail::checked_fused_sizes(n)),
        qkv(n.features, 3 * n.features),
        proj(n.features, n.features) {}
  Shape<2> out_shape(Index rows) const { return {{rows, sizes.features}}; }

  void forward(On<E> s, In<E> x, Out<E> y, Saved& saved) const {
    const Index width = sizes.features;
    detail::require_sequences(s.sequences(), x.rows(), sizes.head_dim);
    saved.qkv = s.template keep<T>(x.rows(), 3 * width);
    saved.y = s.template keep<T>(x.rows(), width);
    saved.logsumexp = s.template keep<float>(x.rows(), sizes.heads);
    qkv.forward(s, x, saved.qkv, saved.qkv_proj);
    rotate(s, saved.qkv.columns(0, width), false);
    rotate(s, saved.qkv.columns(width, width), false);
    s.run(AttentionForward<D, T>{.q = saved.qkv.columns(0, width),
                                 .k = saved.qkv.columns(width, width),
                                 .v = saved.qkv.columns(2 * width, width),
                                 .y = saved.y,
                                 .logsumexp = saved.logsumexp,
                                 .layout = detail::attention_layout(s.sequences(), sizes),
                                 .rounded = is_blocks(qkv.weight.format())});
    proj.forward(s, saved.y, y, saved.out_proj);
  }

  template <class Dx>
  void backward(On<E> s, const Saved& saved, In<E> dy, Dx dx) const {
    const auto given_back = s.scope();
    const Index width = sizes.features;
    const Out<E> dattended = s.template scratch<T>(dy.rows(), width);
    const Out<E> dqkv = s.template scratch<T>(dy.rows(), 3 * width);
    proj.backward(s, saved.out_proj, dy, dattended);
    s.run(AttentionBackward<D, T>{.dy = dattended,
                                  .y = saved.y,
                                  .q = saved.qkv.columns(0, width),
                                  .k = saved.qkv.columns(width, width),
                                  .v = saved.qkv.columns(2 * width, width),
                                  .logsumexp = saved.logsumexp,
                                  .dq = dqkv.columns(0, width),
                                  .dk = dqkv.columns(width, width),
                                  .dv = dqkv.columns(2 * width, width),
                                  .layout = detail::attention_layout(s.sequences(), sizes)});
    rotate(s, dqkv.columns(0, width), true);
    rotate(s, dqkv.columns(width, width), true);
    qkv.backward(s, saved.qkv_proj, dqkv, dx);
  }

  template <class F>
  void visit(F&& f) {
    qkv.visit(f);
    proj.visit(f);
  }

 private:
  static void rotate(On<E> s, Out<E> x, bool inverse) {
    s.run(RopeRotate<D, T>{
        .x = x, .cosine = s.sequences().cosine, .sine = s.sequences().sine, .inverse = inverse});
  }
};

}  // namespace vlm
