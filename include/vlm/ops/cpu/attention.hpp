// Attention on the CPU: how the work is cut into tasks. The kernels are in attention_forward.hpp and
// attention_backward.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>

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

// The keys or values of a sequence, from a key head on.
template <class T>
StoredRows stored_rows(const AttentionForward<Cpu, T>& op, const View<const T, 2, Cpu>& rows, bool values,
                       Index sequence, Index first, Index kv_head) {
  const CellPages<Cpu>& pages = op.pages;
  if (!pages) return {.rows = rows.row(first) + kv_head * op.layout.head_dim, .pitch = rows.pitch};
  return {.pages = pages.table.data + pages.first(sequence),
          .offset = pages.offset(op.block, kv_head, values),
          .scales = pages.format == CellFormat::I8 ? pages.scales_offset() : 0,
          .format = pages.format};
}

// Whether products of a sequence's rows are of pairs.
template <class T>
bool is_rounded(const AttentionForward<Cpu, T>& op, Index rows, IsaLevel level) {
  if (!op.rounded || !multiplies_pairs(level)) return false;
  return op.pages ? op.pages.format == CellFormat::BF16 && op.layout.head_dim % 16 == 0 : rows > few_rows;
}

// All rows of a sequence and some key heads.
template <class T>
ForwardTask forward_task(const AttentionForward<Cpu, T>& op, Index sequence, Index kv_head, Index heads,
                         IsaLevel level) {
  const AttentionLayout<Cpu>& layout = op.layout;
  const SequenceRows span = rows_of_sequence(layout, sequence);
  const Index group = layout.heads / layout.kv_heads, wide = kv_head * group * layout.head_dim;
  return {.q = op.q.row(span.query) + wide,
          .q_pitch = op.q.pitch,
          .k = stored_rows(op, op.k, false, sequence, span.key, kv_head),
          .v = stored_rows(op, op.v, true, sequence, span.key, kv_head),
          .y = op.y.row(span.query) + wide,
          .y_pitch = op.y.pitch,
          .logsumexp = op.logsumexp ? op.logsumexp.row(span.query) + kv_head * group : nullptr,
          .logsumexp_pitch = op.logsumexp.pitch,
          .heads = heads,
          .first_row = 0,
          .rows = span.queries * group,
          .group = group,
          .keys = span.keys,
          .head_dim = layout.head_dim,
          .first_visible = span.keys - span.queries + 1,
          .causal = layout.causal,
          .scale = layout.scale,
          .rounded = is_rounded(op, span.queries * group, level)};
}

// How many spans of each key head are tasks at once where every sequence has one query: as many as give all threads the
// same work; 1 where there is no need to.
template <class T>
Index spans_at_once(const Queue<Cpu>& queue, const AttentionForward<Cpu, T>& op) {
  const AttentionLayout<Cpu>& layout = op.layout;
  const Index sequences = layout.query_offsets.rows() - 1, units = sequences * layout.kv_heads;
  if (op.q.rows() != sequences || units == 0 || layout.heads > few_rows * layout.kv_heads) return 1;
  const Index threads = queue.threads();
  return std::min<Index>(threads / std::gcd(threads, units), 16);
}
inline Index state_floats(const AttentionLayout<Cpu>& layout) {
  return ForwardState::floats(layout.heads / layout.kv_heads, packed_pitch(layout.head_dim));
}

// One query of every sequence, `spans` spans of its keys at once: they are computed apart, then added in order.
template <class T>
void compute_spans(Queue<Cpu>& queue, const AttentionForward<Cpu, T>& op, Index spans, Index keys,
                   float* floats) {
  const AttentionLayout<Cpu>& layout = op.layout;
  const Index units = (layout.query_offsets.rows() - 1) * layout.kv_heads, size = state_floats(layout);
  float* states = floats + queue.threads() * ForwardScratch::floats(layout.head_dim);
  const auto states_of = [&](Index unit) { return states + unit * (spans + 1) * size; };
  const auto task_of = [&](Index unit) {
    return forward_task(op, unit / layout.kv_heads, unit % layout.kv_heads, 1, queue.level());
  };
  for (Index first = 0; first < keys; first += spans * span_keys) {
    queue.parallel(units * spans, [&](Index task, int worker) {
      const Index unit = task / spans, span = task % spans, begin = first + span * span_keys;
      const ForwardTask forward = task_of(unit);
      if (begin >= forward.keys) return;
      cpu::dispatch<ForwardKernel>(queue.level(), &forward,
                                   floats + worker * ForwardScratch::floats(layout.head_dim), begin,
                                   states_of(unit) + (1 + span) * size);
    });
    queue.parallel(units, [&](Index unit, int) {
      const ForwardTask forward = task_of(unit);
      if (first >= forward.keys) return;
      cpu::dispatch<AddSpansKernel>(queue.level(), &forward, states_of(unit), spans, first);
    });
  }
}

}  // namespace cpu::attention

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>& queue, const AttentionForward<Cpu, T>& op) {
  using namespace cpu::attention;
  const Index spans = spans_at_once(queue, op);
  std::size_t bytes =
      cpu::attention::scratch_bytes(op.layout, queue.threads(), ForwardScratch::floats(op.layout.head_dim));
  if (spans > 1)
    bytes +=
        static_cast<std::size_t>(op.q.rows() * op.layout.kv_heads * (spans + 1) * state_floats(op.layout)) *
        sizeof(float);
  return bytes;
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
  if (const Index spans = spans_at_once(queue, op); spans > 1) {
    bool single = true;
    Index keys = 0;
    for (Index s = 0; s < sequences; ++s) {
      const SequenceRows span = rows_of_sequence(layout, s);
      single = single && span.queries == 1 && span.keys > 0;
      keys = std::max(keys, span.keys);
    }
    if (single && keys > span_keys) return compute_spans(queue, op, spans, keys, floats);
  }
  const Index tasks = parts[sequences] * layout.kv_heads;
  // Neighbouring key heads that one task takes where there are few rows: as long as no thread is left without. In pages
  // each head's keys are one piece.
  const Index together =
      op.pages ? 1 : std::clamp<Index>(tasks / queue.threads(), 1, std::min(layout.kv_heads, most_heads));
  queue.parallel(tasks, [&](Index index, int worker) {
    // The last parts first: they see the most keys.
    const Index task = tasks - 1 - index, part = task / layout.kv_heads, kv_head = task % layout.kv_heads;
    const Index s = sequence_of(parts, sequences, part), some = parts[s + 1] - parts[s];
    const Index rows = rows_of_sequence(layout, s).queries * group;
    // Parts of a sequence are about equal, in whole tiles.
    const Index size = ((rows + some - 1) / some + few_rows - 1) / few_rows * few_rows;
    const Index first_row = (part - parts[s]) * size, heads = rows <= few_rows ? together : 1;
    if (kv_head % heads != 0 || first_row >= rows) return;
    ForwardTask forward =
        forward_task(op, s, kv_head, std::min(heads, layout.kv_heads - kv_head), queue.level());
    forward.first_row = first_row;
    forward.rows = std::min(size, rows - first_row);
    cpu::dispatch<ForwardKernel>(queue.level(), static_cast<const ForwardTask*>(&forward),
                                 floats + worker * ForwardScratch::floats(layout.head_dim), Index{0},
                                 static_cast<float*>(nullptr));
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
