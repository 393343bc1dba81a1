// Chunks of a batch, for a prefill in pieces: the tokens [begin, end) at their positions, with the pictures that have
// tokens among them. A chunk may begin and end anywhere, inside a picture too; a picture is encoded in every chunk that
// it reaches into, and its merged and DeepStack rows are taken for the tokens of the chunk alone.
#pragma once

#include <algorithm>
#include <cstddef>

#include <vlm/model/batch.hpp>

namespace vlm {

namespace detail {

// Appends rows [first, end) of a table whose rows have `width` numbers.
template <class T>
void append_rows(std::vector<T>& into, const std::vector<T>& from, std::size_t first, std::size_t end,
                 std::size_t width) {
  into.insert(into.end(), from.begin() + static_cast<std::ptrdiff_t>(first * width),
              from.begin() + static_cast<std::ptrdiff_t>(end * width));
}

// The pictures of one temporal step, [first, end) of the patches, where a chunk has some of their tokens.
inline void append_step(const Batch& whole, std::size_t first, std::size_t end, Index begin_token,
                        Index end_token, Batch& chunk) {
  const auto patches = static_cast<std::size_t>(whole.patch_count());
  const std::size_t window = patches / whole.visual_places.size();
  const auto base = static_cast<std::int32_t>(static_cast<std::size_t>(chunk.patch_count()) / window);
  const std::size_t before = chunk.visual_places.size();
  for (std::size_t row = first / window; row < end / window; ++row) {
    const std::int32_t place = whole.visual_places[row];
    if (place < begin_token || place >= end_token) continue;
    chunk.visual_places.push_back(place - static_cast<std::int32_t>(begin_token));
    chunk.visual_rows.push_back(base + static_cast<std::int32_t>(row - first / window));
  }
  if (chunk.visual_places.size() == before) return;
  append_rows(chunk.patches, whole.patches, first, end, whole.patches.size() / patches);
  append_rows(chunk.tables.cosine, whole.tables.cosine, first, end, whole.tables.cosine.size() / patches);
  append_rows(chunk.tables.sine, whole.tables.sine, first, end, whole.tables.sine.size() / patches);
  append_rows(chunk.tables.corners, whole.tables.corners, first, end, 4);
  append_rows(chunk.tables.weights, whole.tables.weights, first, end, 4);
  chunk.tables.offsets.push_back(chunk.tables.offsets.back() + static_cast<std::int32_t>(end - first));
}

}  // namespace detail

// Empties `chunk` and fills it with the tokens [begin, end) of a batch of whole pictures; the supervised predictions
// among them come along. Samples that the chunk reaches into are its samples.
inline void cut_chunk(const Batch& whole, Index begin, Index end, Batch& chunk) {
  chunk.clear();
  const auto first = static_cast<std::size_t>(begin), last = static_cast<std::size_t>(end);
  detail::append_rows(chunk.tokens, whole.tokens, first, last, 1);
  for (int axis = 0; axis < 3; ++axis)
    detail::append_rows(chunk.axes[axis], whole.axes[axis], first, last, 1);
  for (std::size_t i = 1; i < whole.offsets.size(); ++i) {
    const Index border = std::min<Index>(end, whole.offsets[i]);
    if (border <= std::max<Index>(begin, whole.offsets[i - 1])) continue;
    chunk.offsets.push_back(static_cast<std::int32_t>(border - begin));
    chunk.next_positions.push_back(whole.next_positions[i - 1]);
  }
  for (std::size_t i = 1; i < whole.tables.offsets.size(); ++i)
    detail::append_step(whole, static_cast<std::size_t>(whole.tables.offsets[i - 1]),
                        static_cast<std::size_t>(whole.tables.offsets[i]), begin, end, chunk);
  for (std::size_t i = 0; i < whole.rows.size(); ++i) {
    if (whole.rows[i] < begin || whole.rows[i] >= end) continue;
    chunk.rows.push_back(whole.rows[i] - static_cast<std::int32_t>(begin));
    chunk.targets.push_back(whole.targets[i]);
    chunk.weights.push_back(whole.weights[i]);
  }
  // The usual case: every row of every picture is wanted.
  if (!chunk.visual_places.empty()) {
    const auto window = static_cast<std::size_t>(whole.patch_count()) / whole.visual_places.size();
    if (chunk.visual_rows.size() * window == static_cast<std::size_t>(chunk.patch_count()))
      chunk.visual_rows.clear();
  }
}

}  // namespace vlm
