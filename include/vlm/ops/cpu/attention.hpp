// Attention on the CPU: how the work is cut into tasks. The kernels are in attention_forward.hpp and
// attention_backward.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <vlm/ops/attention.hpp>
#include <vlm/ops/cpu/attention_backward.hpp>
#include <vlm/ops/cpu/attention_forward.hpp>

namespace vlm {

namespace cpu::attention {

// Where the rows of one sequence stand.
struct SequenceRows {
  Index query = 0, queries = 0, key = 0, keys = 0;
};
inline SequenceRows rows_of_sequence(const AttentionLayout<Cpu>& layout, Index sequence) {
  SequenceRows span;
  span.query = layout.query_offsets(sequence);
  span.queries = layout.query_offsets(sequence + 1) - span.query;
  span.key = layout.key_begin ? layout.key_begin(sequence) : span.query;
  span.keys = layout.key_counts ? layout.key_counts(sequence) : span.queries;
  return span;
}

// Every sequence is cut into parts of at most `size` rows: running counts, to find the sequence of a part.
// Rows are queries times `heads`.
inline void count_parts(const AttentionLayout<Cpu>& layout, Index heads, Index size, Index* parts) {
  const Index sequences = layout.query_offsets.rows() - 1;
  parts[0] = 0;
  for (Index s = 0; s < sequences; ++s)
    parts[s + 1] = parts[s] + (rows_of_sequence(layout, s).queries * heads + size - 1) / size;
}
inline Index sequence_of(const Index* parts, Index sequences, Index part) {
  return std::upper_bound(parts, parts + sequences + 1, part) - parts - 1;
}

// Scratch: the running counts, then each worker's floats from a cache line on.
inline std::size_t scratch_bytes(const AttentionLayout<Cpu>& layout, int workers, Index floats) {
  return static_cast<std::size_t>(layout.query_offsets.rows()) * sizeof(Index) + 64 +
         static_cast<std::size_t>(workers * floats) * sizeof(float);
}
inline float* floats_after(const Index* parts, Index sequences) {
  const auto end = reinterpret_cast<std::uintptr_t>(parts + sequences + 1);
  return reinterpret_cast<float*>((end + 63) / 64 * 64);
}

// The keys or values of a sequence, from a column on.
template <class T>
StoredRows stored_rows(const AttentionForward<Cpu, T>& op, const View<const T, 2, Cpu>& rows, bool values,
                       Index sequence, Index first, Index column) {
  const CellPages<Cpu>& pages = op.pages;
  if (!pages)
    return {.rows = reinterpret_cast<const std::byte*>(rows.row(first) + column),
            .pages = nullptr,
            .offset = 0,
            .pitch = rows.pitch,
            .narrow = false};
  return {.rows = nullptr,
          .pages = pages.table.data + pages.first(sequence),
          .offset = pages.offset(op.block, values) + static_cast<std::size_t>(column) * size_of(pages.format),
          .pitch = pages.features,
          .narrow = pages.format == CellFormat::BF16};
}

}  // namespace cpu::attention

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const AttentionForward<Cpu, T>& op) {
  return cpu::attention::scratch_bytes(op.layout, queue.threads(),
                                       cpu::attention::ForwardScratch::floats(op.layout.head_dim));
}

template <class T>
void compute(Queue<Cpu>& queue, const AttentionForward<Cpu, T>& op, Scratch scratch) {
  using namespace cpu::attention;
  const AttentionLayout<Cpu>& layout = op.layout;
  const Index sequences = layout.query_offsets.rows() - 1, group = layout.heads / layout.kv_heads;
  if (sequences <= 0 || op.q.rows() == 0) return;
  Index* parts = scratch.as<Index>();
  count_parts(layout, group, forward_rows, parts);
  float* floats = floats_after(parts, sequences);
  const Index tasks = parts[sequences] * layout.kv_heads;
  // Neighbouring key heads that one task takes where there are few rows: as long as no thread is left without.
  const Index together = std::clamp<Index>(tasks / queue.threads(), 1, std::min(layout.kv_heads, most_heads));
  queue.parallel(tasks, [&](Index index, int worker) {
    // The last parts first: they see the most keys.
    const Index task = tasks - 1 - index, part = task / layout.kv_heads, kv_head = task % layout.kv_heads;
    const Index s = sequence_of(parts, sequences, part);
    const SequenceRows span = rows_of_sequence(layout, s);
    const Index rows = span.queries * group, some = parts[s + 1] - parts[s];
    // Parts of a sequence are about equal, in whole tiles.
    const Index size = ((rows + some - 1) / some + few_rows - 1) / few_rows * few_rows;
    const Index first_row = (part - parts[s]) * size;
    const Index heads = rows <= few_rows ? together : 1;
    if (kv_head % heads != 0 || first_row >= rows) return;
    const Index wide = kv_head * group * layout.head_dim, narrow = kv_head * layout.head_dim;
    const ForwardTask forward{
        .q = op.q.row(span.query) + wide,
        .q_pitch = op.q.pitch,
        .k = stored_rows(op, op.k, false, s, span.key, narrow),
        .v = stored_rows(op, op.v, true, s, span.key, narrow),
        .y = op.y.row(span.query) + wide,
        .y_pitch = op.y.pitch,
        .logsumexp = op.logsumexp ? op.logsumexp.row(span.query) + kv_head * group : nullptr,
        .logsumexp_pitch = op.logsumexp.pitch,
        .heads = std::min(heads, layout.kv_heads - kv_head),
        .first_row = first_row,
        .rows = std::min(size, rows - first_row),
        .group = group,
        .keys = span.keys,
        .head_dim = layout.head_dim,
        .first_visible = span.keys - span.queries + 1,
        .causal = layout.causal,
        .scale = layout.scale};
    cpu::dispatch<ForwardKernel>(queue.level(), &forward,
                                 floats + worker * ForwardScratch::floats(layout.head_dim));
  });
}

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const AttentionBackward<Cpu, T>& op) {
  return cpu::attention::scratch_bytes(op.layout, queue.threads(),
                                       cpu::attention::BackwardScratch::floats(op.layout.head_dim)) +
         static_cast<std::size_t>(op.q.rows() * op.layout.heads) * sizeof(float);
}

// Sequences are cut into chunks. In round r the keys of chunk c meet the queries of chunk c + r, so that no two
// tasks of a round write the same gradients, and each gradient is summed in the order of the rounds. Chunks are
// longer where many heads give work enough: their keys are then read for more queries.
template <class T>
void compute(Queue<Cpu>& queue, const AttentionBackward<Cpu, T>& op, Scratch scratch) {
  using namespace cpu::attention;
  const AttentionLayout<Cpu>& layout = op.layout;
  const Index sequences = layout.query_offsets.rows() - 1, group = layout.heads / layout.kv_heads;
  if (sequences <= 0 || op.q.rows() == 0) return;
  Index* parts = scratch.as<Index>();
  const Index size = key_chunk * std::clamp<Index>(layout.kv_heads / 2, 1, 4);
  count_parts(layout, 1, size, parts);
  float* floats = floats_after(parts, sequences);
  float* pulls = floats + queue.threads() * BackwardScratch::floats(layout.head_dim);
  constexpr Index some = 32;
  queue.parallel((op.q.rows() + some - 1) / some, [&](Index task, int) {
    const Index row = task * some;
    cpu::dispatch<PullKernel>(queue.level(), op.dy.row(row), op.dy.pitch, op.y.row(row), op.y.pitch,
                              std::min(some, op.q.rows() - row), layout.heads, layout.head_dim,
                              pulls + row * layout.heads);
  });
  Index rounds = 0;
  for (Index s = 0; s < sequences; ++s) rounds = std::max(rounds, parts[s + 1] - parts[s]);
  for (Index round = 0; round < rounds; ++round)
    queue.parallel(parts[sequences] * layout.kv_heads, [&](Index task, int worker) {
      const Index part = task / layout.kv_heads, kv_head = task % layout.kv_heads;
      const Index s = sequence_of(parts, sequences, part);
      const SequenceRows span = rows_of_sequence(layout, s);
      const Index chunks = parts[s + 1] - parts[s], chunk = part - parts[s];
      if (round >= chunks || (layout.causal && chunk + round >= chunks)) return;
      const Index first_key = chunk * size, first_query = (chunk + round) % chunks * size;
      const Index last_key = std::min(first_key + size, span.queries);
      const Index last_query = std::min(first_query + size, span.queries);
      const Index row = span.query;
      const Index wide = kv_head * group * layout.head_dim, narrow = kv_head * layout.head_dim;
      BackwardTask backward{.dy = op.dy.row(row) + wide,
                            .q = op.q.row(row) + wide,
                            .k = op.k.row(row) + narrow,
                            .v = op.v.row(row) + narrow,
                            .dy_pitch = op.dy.pitch,
                            .q_pitch = op.q.pitch,
                            .k_pitch = op.k.pitch,
                            .v_pitch = op.v.pitch,
                            .logsumexp = op.logsumexp.row(row) + kv_head * group,
                            .pulls = pulls + row * layout.heads + kv_head * group,
                            .logsumexp_pitch = op.logsumexp.pitch,
                            .pulls_pitch = layout.heads,
                            .dq = op.dq.row(row) + wide,
                            .dk = op.dk.row(row) + narrow,
                            .dv = op.dv.row(row) + narrow,
                            .dq_pitch = op.dq.pitch,
                            .dk_pitch = op.dk.pitch,
                            .dv_pitch = op.dv.pitch,
                            .group = group,
                            .head_dim = layout.head_dim,
                            .causal = layout.causal,
                            .add_keys = round > 0,
                            .scale = layout.scale};
      for (Index key = first_key; key < last_key; key += key_chunk) {
        backward.first_key = key;
        backward.keys = std::min(key_chunk, last_key - key);
        backward.first_query = layout.causal ? std::max(first_query, key) : first_query;
        backward.queries = last_query - backward.first_query;
        backward.add_queries = round > 0 || key > first_key;
        cpu::dispatch<BackwardKernel>(queue.level(), static_cast<const BackwardTask*>(&backward),
                                      floats + worker * BackwardScratch::floats(layout.head_dim));
      }
    });
}

}  // namespace vlm
