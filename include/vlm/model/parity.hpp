// compare_with_reference(model, reference): runs the model on the inputs of a Reference and compares every stage that
// both have, from the patch embedding to the logits, the loss and the gradients, so that the first difference is found
// by its name.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/observer.hpp>
#include <vlm/core/span_of.hpp>
#include <vlm/model/model.hpp>
#include <vlm/model/reference.hpp>
#include <vlm/nn/loss.hpp>

namespace vlm {

// How far a stage is from the reference. Where the reference is nothing (below 1e-8), so must the model be, and
// `relative` is 0 or infinite; it is infinite too where a number is none, and where position ids differ.
struct StageDifference {
  std::string stage;
  double largest = 0;   // max |ours - theirs|
  double relative = 0;  // largest / max |theirs|; of a gradient |ours - theirs| / |theirs|, Euclidean norms
};

struct ParityReport {
  std::vector<StageDifference>
      stages;  // in the order of the pass; gradients from the head back to the pixels
  std::vector<std::string> not_compared;  // results in the file that the model does not come to

  // The first stage whose relative difference is above the tolerance, or null.
  const StageDifference* first_over(double tolerance) const {
    const auto found = std::find_if(stages.begin(), stages.end(), [&](const StageDifference& stage) {
      return !(stage.relative <= tolerance);
    });
    return found == stages.end() ? nullptr : &*found;
  }
};

namespace detail {

constexpr double negligible = 1e-8;

inline double relative_to(double difference, double ours, double theirs) {
  if (!std::isfinite(difference)) return std::numeric_limits<double>::infinity();
  if (theirs >= negligible) return difference / theirs;
  return ours <= negligible ? 0 : std::numeric_limits<double>::infinity();
}

// Sums over numbers that belong together.
struct Differences {
  double largest = 0, our_largest = 0, their_largest = 0, squares = 0, our_squares = 0, their_squares = 0;

  void add(float ours, float theirs) {
    const double a = static_cast<double>(ours), b = static_cast<double>(theirs);
    const double difference =
        std::isfinite(a - b) ? std::abs(a - b) : std::numeric_limits<double>::infinity();
    largest = std::max(largest, difference);
    our_largest = std::max(our_largest, std::abs(a));
    their_largest = std::max(their_largest, std::abs(b));
    squares += difference * difference;
    our_squares += a * a;
    their_squares += b * b;
  }
  StageDifference of_rows(std::string stage) const {
    return {std::move(stage), largest, relative_to(largest, our_largest, their_largest)};
  }
  StageDifference of_gradient(std::string stage) const {
    return {std::move(stage), largest,
            relative_to(std::sqrt(squares), std::sqrt(our_squares), std::sqrt(their_squares))};
  }
};

// Compares rows as a pass comes to them.
class StageComparison : public Observer<Cpu> {
 public:
  using Rows = View<const float, 2, Cpu>;

  explicit StageComparison(const Reference& reference) : reference_(&reference) {}

  void see(std::string_view stage, Index index, Rows rows) override {
    std::string name(stage);
    if (index >= 0) name += "." + std::to_string(index);
    if (stage == "visual.patch_embed") patch_embedding_ = copied(rows);
    if (stage == "visual.deepstack") taps_.push_back(copied(rows));
    if (stage == "visual.embeddings") {
      // What the position table added is seen as the difference that it made.
      std::vector<float> positions = copied(rows);
      for (std::size_t i = 0; i < positions.size(); ++i) positions[i] -= patch_embedding_[i];
      compare("visual.positions", positions, rows, span_of(reference_->patch_rows()));
    } else if (stage == "text.layers" && index < static_cast<Index>(taps_.size())) {
      compare_layer(name, static_cast<std::size_t>(index), rows);
    } else {
      const bool merged = stage == "visual.deepstack" || stage == "visual.merger";
      std::span<const Index> order;
      if (stage.starts_with("visual."))
        order = span_of(merged ? reference_->visual_rows() : reference_->patch_rows());
      compare(name, copied(rows), rows, order);
    }
  }

  void compare_positions(const Batch& batch) {
    if (!reference_->file().find("position_ids")) return;
    const std::vector<std::int64_t> theirs = reference_->integers("position_ids");
    StageDifference stage{.stage = "position_ids"};
    std::size_t i = 0;
    for (const auto& axis : batch.axes)
      for (const std::int32_t position : axis)
        stage.largest = std::max(stage.largest, std::abs(static_cast<double>(theirs[i++] - position)));
    stage.relative = stage.largest > 0 ? std::numeric_limits<double>::infinity() : 0;
    report_.stages.push_back(std::move(stage));
  }

  void compare_loss(double loss) {
    if (!reference_->file().find("loss")) return;
    const float ours = static_cast<float>(loss);
    compare("loss", {ours}, Rows(&ours, Shape<2>{{1, 1}}), {});
  }

  // A gradient that the file does not have is one of zeros. Fused experts may be stored with their last two
  // dimensions exchanged, as transformers holds them in memory.
  void compare_gradient(const Parameter& p) {
    const std::string name = "grad." + p.name;
    const StoredTensor* tensor = reference_->file().find(name);
    const std::vector<float> theirs =
        tensor ? reference_->numbers(name) : std::vector<float>(p.gradient.size(), 0.0f);
    require_count(name, theirs.size(), p.gradient.size());
    const std::vector<Index>& shape = p.record->stored_shape();
    const bool exchanged = tensor && shape.size() == 3 && tensor->shape != shape &&
                           tensor->shape == std::vector<Index>{shape[0], shape[2], shape[1]};
    const auto rows = static_cast<std::size_t>(exchanged ? shape[1] : 1),
               columns = static_cast<std::size_t>(exchanged ? shape[2] : 1), size = rows * columns;
    Differences differences;
    for (std::size_t i = 0; i < theirs.size(); ++i) {
      const std::size_t row = i % size / columns, column = i % columns;
      differences.add(p.gradient[i], theirs[i / size * size + (exchanged ? column * rows + row : 0)]);
    }
    report_.stages.push_back(differences.of_gradient(name));
    compared_.insert(name);
  }

  ParityReport report() {
    for (const StoredTensor& tensor : reference_->file().tensors())
      if (!Reference::is_input(tensor.name) && !compared_.contains(tensor.name))
        report_.not_compared.push_back(tensor.name);
    if (compared_.empty()) reference_->refuse("logits", "results to compare with", "inputs alone");
    return std::move(report_);
  }

 private:
  static std::vector<float> copied(Rows rows) {
    std::vector<float> values;
    values.reserve(static_cast<std::size_t>(rows.count()));
    for (Index i = 0; i < rows.rows(); ++i) {
      const float* row = rows.data + i * rows.pitch;
      values.insert(values.end(), row, row + rows.extent[1]);
    }
    return values;
  }

  void require_count(std::string_view name, std::size_t theirs, std::size_t ours) const {
    if (theirs != ours) reference_->refuse(name, std::to_string(ours) + " values", std::to_string(theirs));
  }

  // Differences of rows from those that stand in the file in the given order.
  Differences differences_of(const std::string& name, const std::vector<float>& ours, Rows rows,
                             std::span<const Index> order) const {
    const std::vector<float> theirs = reference_->numbers(name);
    require_count(name, theirs.size(), ours.size());
    Differences differences;
    const auto features = static_cast<std::size_t>(rows.extent[1]);
    for (std::size_t i = 0; i < ours.size(); ++i) {
      const std::size_t row = i / features;
      const std::size_t at = order.empty() ? row : static_cast<std::size_t>(order[row]);
      differences.add(ours[i], theirs[at * features + i % features]);
    }
    return differences;
  }

  void compare(const std::string& name, const std::vector<float>& ours, Rows rows,
               std::span<const Index> order) {
    if (!reference_->file().find(name)) return;
    report_.stages.push_back(differences_of(name, ours, rows, order).of_rows(name));
    compared_.insert(name);
  }

  // A hook on a layer of transformers sees its rows before DeepStack's are added, the next layer after that. The file
  // may hold either.
  void compare_layer(const std::string& name, std::size_t tap, Rows rows) {
    std::vector<float> ours = copied(rows);
    compare(name, ours, rows, {});
    if (!compared_.contains(name)) return;
    const std::vector<std::int32_t>& places = reference_->batch().visual_places;
    const auto features = static_cast<std::size_t>(rows.extent[1]);
    for (std::size_t i = 0; i < taps_[tap].size(); ++i)
      ours[static_cast<std::size_t>(places[i / features]) * features + i % features] -= taps_[tap][i];
    StageDifference before = differences_of(name, ours, rows, {}).of_rows(name);
    if (before.relative < report_.stages.back().relative) report_.stages.back() = std::move(before);
  }

  const Reference* reference_;
  ParityReport report_;
  std::set<std::string, std::less<>> compared_;
  std::vector<float> patch_embedding_;
  std::vector<std::vector<float>> taps_;
};

}  // namespace detail

// Gradients are compared where the file has some, of the parts that the model trains. `threads` 0: one per processor.
// Throws DataError [reference] for results whose sizes are not the model's.
template <class Net>
ParityReport compare_with_reference(Net& net, const Reference& reference, int threads = 0) {
  using Rows = View<float, 2, Cpu>;
  const Batch& batch = reference.batch();
  const Index rows = static_cast<Index>(batch.rows.size()), features = net.features();
  const bool wants_gradients = Net::DecoderEnv::passes && reference.has_gradients() && rows > 0;
  typename Net::RopeTables tables;
  const Sequences<Cpu> text = net.text_sequences(batch, tables);
  detail::StageComparison comparison(reference);
  Runtime<Cpu> s(threads);
  s.keep_activations(wants_gradients);
  s.set_observer(&comparison);
  double loss = 0;
  const auto pass = [&] {
    const auto given_back = s.scope();
    const Rows hidden = s.keep<float>(batch.token_count(), features);
    typename Net::Saved saved;
    net.forward(s, batch, text, hidden, saved);
    if (reference.file().find("logits")) {
      const auto logits_given_back = s.scope();
      const Rows logits = s.keep<float>(batch.token_count(), net.config().text.vocabulary);
      s.run(LinearForward<Cpu, float>{.x = hidden, .weight = net.head(), .y = logits});
      s.observe("logits", -1, logits);
    }
    if (rows == 0) return;
    const auto at = detail::on_device<Cpu>(batch.rows);
    const Rows picked = s.keep<float>(rows, features), dpicked = s.keep<float>(rows, features);
    s.run(TakeRows<Cpu, float>{.into = picked, .at = at, .from = hidden});
    LanguageLoss<Cpu, float> language_loss{.hidden = picked,
                                           .targets = detail::on_device<Cpu>(batch.targets),
                                           .weights = detail::on_device<Cpu>(batch.weights),
                                           .output = net.head(),
                                           .loss = {&loss, Shape<1>{{1}}}};
    if (wants_gradients) {
      language_loss.dhidden = dpicked;
      language_loss.doutput = net.head_gradient();
    }
    run_language_loss(s, language_loss);
    if constexpr (Net::DecoderEnv::passes)
      if (wants_gradients) {
        const Rows dhidden = s.keep<float>(batch.token_count(), features);
        if (!s.measuring())
          std::memset(dhidden.data, 0, static_cast<std::size_t>(dhidden.count()) * sizeof(float));
        s.run(PlaceRows<Cpu, float>{.into = dhidden, .at = at, .from = dpicked});
        net.backward(s, batch, text, saved, dhidden);
      }
  };
  comparison.compare_positions(batch);
  if (wants_gradients) net.zero_gradients();
  s.plan(pass);
  pass();
  if (rows > 0) comparison.compare_loss(loss);
  if (wants_gradients)
    for (auto p = net.parameters().rbegin(); p != net.parameters().rend(); ++p)
      if (p->trained) comparison.compare_gradient(*p);
  return comparison.report();
}

}  // namespace vlm
