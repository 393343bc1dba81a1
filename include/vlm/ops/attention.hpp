// Attention over packed sequences:  y = softmax(scale q k' + mask) v  for each head, without storing the
// scores. Sequence s has queries [query_offsets[s], query_offsets[s+1]) and keys that begin at row
// key_begin[s]; causal: query i of n sees the first key_counts[s] - n + 1 + i keys, so that a chunk at the
// end of cached keys is the general case. Query head h reads key head h / (heads / kv_heads). Any head_dim
// that is a multiple of 8. Keys and values are rows, or cells in pages, which are read as they are stored.
#pragma once

#include <cstdint>
#include <vlm/core/cell_pages.hpp>
#include <vlm/core/queue.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

// Which rows belong together; one description for prefill, chunks, decoding and training.
template <class D>
struct AttentionLayout {
  View<const std::int32_t, 1, D> query_offsets{};  // [sequences + 1]
  View<const std::int32_t, 1, D> key_begin{};      // [sequences]; empty: keys stand where the queries stand
  View<const std::int32_t, 1, D> key_counts{};     // [sequences]; empty: as many as queries
  Index heads = 0, kv_heads = 0, head_dim = 0;
  float scale = 0;
  bool causal = true;
};

template <class D, class T>
struct AttentionForward {
  View<const T, 2, D> q{};        // [queries, heads * head_dim]
  View<const T, 2, D> k{}, v{};   // [keys, kv_heads * head_dim]
  View<T, 2, D> y{};              // [queries, heads * head_dim]
  View<float, 2, D> logsumexp{};  // [queries, heads] of the scaled scores, or empty
  AttentionLayout<D> layout{};    // its key_begin has no meaning for pages
  CellPages<D> pages{};           // in place of k and v
  Index block = 0;                // whose keys and values are read from the pages
  // Queries, keys, values and softmax weights may be rounded to bf16 before products, where that is faster, on processors
  // that multiply pairs of bf16: over cells in bf16 where head_dim is a multiple of 16, whatever the number of rows; over
  // rows for sequences of more than a few.
  bool rounded = false;
};

// Keys stand where the queries stand (layout.key_begin and key_counts empty).
template <class D, class T>
struct AttentionBackward {
  View<const T, 2, D> dy{}, y{}, q{};   // [rows, heads * head_dim]
  View<const T, 2, D> k{}, v{};         // [rows, kv_heads * head_dim]
  View<const float, 2, D> logsumexp{};  // [rows, heads]
  View<T, 2, D> dq{};                   // [rows, heads * head_dim], overwritten
  View<T, 2, D> dk{}, dv{};             // [rows, kv_heads * head_dim], overwritten
  AttentionLayout<D> layout{};
};

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const AttentionForward<Cpu, T>&);
template <class T>
void compute(Queue<Cpu>&, const AttentionForward<Cpu, T>&, Scratch);
template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const AttentionBackward<Cpu, T>&);
template <class T>
void compute(Queue<Cpu>&, const AttentionBackward<Cpu, T>&, Scratch);

}  // namespace vlm
