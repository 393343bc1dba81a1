// The passes that models are made for, each written once: a training step's forward, loss and backward, the loss
// alone, and the logits that answers grow from. Trainers and generators run them, and costs.hpp measures them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <vlm/model/batch.hpp>
#include <vlm/model/model.hpp>
#include <vlm/nn/loss.hpp>
#include <vlm/ops/matmul.hpp>
#include <vlm/ops/rows.hpp>

namespace vlm {

// The sizes that the memory of a pass hangs on.
struct BatchSizes {
  std::size_t tokens = 0, patches = 0;
  std::size_t samples = 0,
              segments = 0;  // borders: one more than there are samples, pictures' temporal steps
  std::size_t rows = 0;      // supervised predictions

  static BatchSizes of(const Batch& batch) {
    return {.tokens = batch.tokens.size(),
            .patches = static_cast<std::size_t>(batch.patch_count()),
            .samples = batch.offsets.size(),
            .segments = batch.tables.offsets.size(),
            .rows = batch.rows.size()};
  }
  bool covers(const BatchSizes& other) const {
    return tokens >= other.tokens && patches >= other.patches && samples >= other.samples &&
           segments >= other.segments && rows >= other.rows;
  }
  BatchSizes merged(const BatchSizes& other) const {
    return {.tokens = std::max(tokens, other.tokens),
            .patches = std::max(patches, other.patches),
            .samples = std::max(samples, other.samples),
            .segments = std::max(segments, other.segments),
            .rows = std::max(rows, other.rows)};
  }

  // A batch of these sizes, to be measured and not to be computed. `window`: patches to a visual token.
  Batch outline(Index window) const {
    Batch batch;
    batch.tokens.resize(tokens);
    batch.offsets.resize(std::max<std::size_t>(samples, 1));
    batch.tables.offsets.resize(std::max<std::size_t>(segments, 1));
    batch.tables.offsets.back() = static_cast<std::int32_t>(patches);
    batch.visual_places.resize(patches / static_cast<std::size_t>(window));
    batch.rows.resize(rows);
    return batch;
  }
};

namespace detail {

// The sequences of a packed batch, which every pass over one begins with.
template <class Net>
Sequences<typename Net::Device> packed_sequences(Runtime<typename Net::Device>& s, const Net& net,
                                                 const Batch& batch, typename Net::RopeTables& tables) {
  Sequences<typename Net::Device> text;
  if (!s.measuring()) text = net.text_sequences(batch, tables);
  text.query_offsets = on_device<typename Net::Device>(batch.offsets);
  return text;
}

// Forward into `hidden`; nothing is kept.
template <class Net>
void forward_alone(Runtime<typename Net::Device>& s, const Net& net, const Batch& batch,
                   const Sequences<typename Net::Device>& text, typename Net::Rows hidden) {
  const auto forgetting = s.forgetting();
  typename Net::Saved saved;
  net.forward(s, batch, text, hidden, saved);
}

// The loss of a batch from the rows that predict, gathered in `picked`; no gradients yet.
template <class Net>
LanguageLoss<typename Net::Device, typename Net::T> loss_of(const Net& net, const Batch& batch,
                                                            typename Net::Rows picked, double& loss) {
  using Device = typename Net::Device;
  return {.hidden = picked,
          .targets = on_device<Device>(batch.targets),
          .weights = on_device<Device>(batch.weights),
          .output = net.head(),
          .loss = {&loss, Shape<1>{{1}}}};
}

}  // namespace detail

// Forward, loss and backward of one packed batch; adds to `loss` and to the gradients. The balance of experts is in
// s.balance(). `tables` is memory for rotary tables.
template <class Net>
void run_training_pass(Runtime<typename Net::Device>& s, const Net& net, const Batch& batch,
                       typename Net::RopeTables& tables, double& loss) {
  using Device = typename Net::Device;
  using Rows = typename Net::Rows;
  using T = typename Net::T;
  const auto given_back = s.scope();
  const Sequences<Device> text = detail::packed_sequences(s, net, batch, tables);
  const Index rows = static_cast<Index>(batch.rows.size()), features = net.features();
  const Rows hidden = s.template keep<T>(batch.token_count(), features);
  const Rows picked = s.template keep<T>(rows, features);
  typename Net::Saved saved;
  net.forward(s, batch, text, hidden, saved);
  const auto at = detail::on_device<Device>(batch.rows);
  s.run(TakeRows<Device, T>{.into = picked, .at = at, .from = hidden});
  const Rows dpicked = s.template scratch<T>(rows, features);
  const Rows dhidden = s.template scratch<T>(batch.token_count(), features);
  LanguageLoss<Device, T> objective = detail::loss_of(net, batch, picked, loss);
  objective.dhidden = dpicked;
  objective.doutput = net.head_gradient();
  run_language_loss(s, objective);
  if (!s.measuring()) std::memset(dhidden.data, 0, static_cast<std::size_t>(dhidden.count()) * sizeof(T));
  s.run(PlaceRows<Device, T>{.into = dhidden, .at = at, .from = dpicked});
  net.backward(s, batch, text, saved, dhidden);
}

// The loss of run_training_pass alone: nothing is kept and no gradient is touched. Not while answering with a cache.
template <class Net>
void run_loss_pass(Runtime<typename Net::Device>& s, const Net& net, const Batch& batch,
                   typename Net::RopeTables& tables, double& loss) {
  using Device = typename Net::Device;
  using Rows = typename Net::Rows;
  using T = typename Net::T;
  const auto given_back = s.scope();
  const Sequences<Device> text = detail::packed_sequences(s, net, batch, tables);
  const Rows picked = s.template keep<T>(static_cast<Index>(batch.rows.size()), net.features());
  const Rows hidden = s.template keep<T>(batch.token_count(), net.features());
  detail::forward_alone(s, net, batch, text, hidden);
  s.run(TakeRows<Device, T>{.into = picked, .at = detail::on_device<Device>(batch.rows), .from = hidden});
  run_language_loss(s, detail::loss_of(net, batch, picked, loss));
}

// Forward alone, for the choices of experts that s.balance() counts: what run_training_pass of the batch will choose.
template <class Net>
void run_routing_pass(Runtime<typename Net::Device>& s, const Net& net, const Batch& batch,
                      typename Net::RopeTables& tables) {
  const auto given_back = s.scope();
  const auto text = detail::packed_sequences(s, net, batch, tables);
  const auto hidden = s.template keep<typename Net::T>(batch.token_count(), net.features());
  detail::forward_alone(s, net, batch, text, hidden);
}

// Calls use(logits [rows, vocabulary]) with what follows the rows `at` of a batch. Nothing is kept.
template <class Net, class Use>
void run_logits_pass(Runtime<typename Net::Device>& s, const Net& net, const Batch& batch,
                     const Sequences<typename Net::Device>& text, const std::vector<std::int32_t>& at,
                     Use&& use) {
  using Device = typename Net::Device;
  using Rows = typename Net::Rows;
  using T = typename Net::T;
  const auto given_back = s.scope();
  const auto count = static_cast<Index>(at.size());
  const Rows picked = s.template keep<T>(count, net.features());
  {
    const auto hidden_given_back = s.scope();
    const Rows hidden = s.template keep<T>(batch.token_count(), net.features());
    typename Net::Saved saved;
    net.forward(s, batch, text, hidden, saved);
    s.run(TakeRows<Device, T>{.into = picked, .at = detail::on_device<Device>(at), .from = hidden});
  }
  const Rows logits = s.template keep<T>(count, net.config().text.vocabulary);
  s.run(LinearForward<Device, T>{.x = picked, .weight = net.head(), .y = logits});
  use(logits);
}

}  // namespace vlm
