// What a model makes of a batch, as numbers on the host, for those who want embeddings and not answers.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <vlm/model/batch.hpp>
#include <vlm/model/model.hpp>

namespace vlm {

// Rows of numbers, [rows, width].
struct Features {
  Index rows = 0, width = 0;
  std::vector<float> values;

  Features(Index count, Index features)
      : rows(count), width(features), values(static_cast<std::size_t>(count * features)) {}
  std::span<const float> row(Index i) const {
    return {values.data() + i * width, static_cast<std::size_t>(width)};
  }
};

// Of the pictures of a batch, in the order of its visual places: a row for each visual token.
struct VisualFeatures {
  Features merged;             // what takes the places of the tokens
  std::vector<Features> taps;  // what DeepStack adds after the first decoder blocks
};

namespace detail {

inline View<float, 2, Cpu> rows_of(Features& features) {
  return {features.values.data(), Shape<2>{{features.rows, features.width}}};
}

// Runs `pass` once in memory that was measured for it, keeping nothing for a backward.
template <class Pass>
void run_forgetting(Runtime<Cpu>& s, Pass&& pass) {
  const auto forgetting = s.forgetting();
  s.plan(pass);
  const auto given_back = s.scope();
  pass();
}

}  // namespace detail

// Hidden states of the text stream after the last norm, a row for each token of the batch: what the head reads.
template <class Net>
Features hidden_states(const Net& net, Runtime<Cpu>& s, const Batch& batch) {
  Features hidden(batch.token_count(), net.features());
  typename Net::RopeTables tables;
  const Sequences<Cpu> text = net.text_sequences(batch, tables);
  detail::run_forgetting(s, [&] {
    typename Net::Saved saved;
    net.forward(s, batch, text, detail::rows_of(hidden), saved);
  });
  return hidden;
}

// The pictures of a batch through encoder and mergers, without the text stream.
template <class Net>
VisualFeatures visual_features(const Net& net, Runtime<Cpu>& s, const Batch& batch) {
  const auto tokens = static_cast<Index>(batch.visual_places.size());
  VisualFeatures visual{.merged = Features(tokens, net.features()), .taps = {}};
  std::vector<typename Net::Rows> taps;
  visual.taps.assign(net.config().vision.taps.size(), Features(tokens, net.features()));
  for (Features& tap : visual.taps) taps.push_back(detail::rows_of(tap));
  if (tokens == 0) return visual;
  detail::run_forgetting(s, [&] {
    typename Net::Saved saved;
    net.encode(s, batch, detail::rows_of(visual.merged), taps.data(), saved);
  });
  return visual;
}

}  // namespace vlm
