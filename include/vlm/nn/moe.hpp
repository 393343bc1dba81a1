// SparseMoe: each row goes to its k best experts (SwiGlu each), whose answers are weighted and summed.
//   HF: gate.weight            [experts, features]
//       experts.gate_up_proj   [experts, features, 2 * intermediate], gate first; input features first
//       experts.down_proj      [experts, intermediate, features], input features first
#pragma once

#include <vlm/nn/linear.hpp>
#include <vlm/nn/named.hpp>
#include <vlm/ops/activation.hpp>
#include <vlm/ops/grouped_matmul.hpp>
#include <vlm/ops/route.hpp>
#include <vlm/ops/rows.hpp>

namespace vlm {

struct MoeSizes {
  Index features = 0, intermediate = 0, experts = 0, chosen = 0;
};

template <class E_>
struct SparseMoe {
  using Environment = E_;
  using E = E_;
  using D = typename E::Device;
  using T = typename E::T;
  static constexpr bool trained = E::trained;
  struct Saved {
    typename Linear<E>::Saved gate;
    View<float, 2, D> probabilities, weights;  // [rows, experts], [rows, k]
    View<std::int32_t, 2, D> chosen, slots;    // [rows, k]
    View<std::int32_t, 1, D> offsets;          // [experts + 1]
    Out<E> x, gate_up, active, answers;        // [rows * k, ...] sorted by expert
  };

  // The experts' tensors, named below "experts".
  struct Experts {
    Param<E, 3> gate_up_proj, down_proj;
    template <class F>
    void visit(F&& f) {
      f("gate_up_proj", gate_up_proj);
      f("down_proj", down_proj);
    }
  };

  MoeSizes sizes;
  Named<"gate", Linear<E>> gate;
  Experts experts;

  explicit SparseMoe(const MoeSizes& n)
      : sizes(n),
        gate(n.features, n.experts),
        experts{Param<E, 3>(Shape<3>{{n.experts, n.features, 2 * n.intermediate}}),
                Param<E, 3>(Shape<3>{{n.experts, n.intermediate, n.features}})} {
    require_sizes("SparseMoe", n.chosen > 0 && n.chosen <= n.experts,
                  "experts, and chosen ones, 1 to all of them", {n.experts, n.chosen});
    gate.weight.allow_blocks(BlockFormats::None);  // a router keeps its numbers
    experts.gate_up_proj.allow_blocks(BlockFormats::All);
    experts.down_proj.allow_blocks(BlockFormats::All);
  }
  Shape<2> out_shape(Index rows) const { return {{rows, sizes.features}}; }

  void forward(On<E> s, In<E> x, Out<E> y, Saved& saved) const {
    require_shape("SparseMoe, y", y, out_shape(x.rows()));
    const Index rows = x.rows(), k = sizes.chosen, slots = rows * k, width = sizes.intermediate;
    const Out<E> logits = s.template keep<T>(rows, sizes.experts);
    saved.probabilities = s.template keep<float>(rows, sizes.experts);
    saved.weights = s.template keep<float>(rows, k);
    saved.chosen = s.template keep<std::int32_t>(rows, k);
    saved.slots = s.template keep<std::int32_t>(rows, k);
    saved.offsets = s.template keep<std::int32_t>(sizes.experts + 1);
    const View<std::int32_t, 1, D> source_rows = s.template keep<std::int32_t>(slots);
    saved.x = s.template keep<T>(slots, sizes.features);
    saved.gate_up = s.template keep<T>(slots, 2 * width);
    saved.active = s.template keep<T>(slots, width);
    saved.answers = s.template keep<T>(slots, sizes.features);

    gate.forward(s, x, logits, saved.gate);
    s.run(RouteForward<D, T>{.logits = logits,
                             .probabilities = saved.probabilities,
                             .experts = saved.chosen,
                             .weights = saved.weights,
                             .offsets = saved.offsets,
                             .source_rows = source_rows,
                             .slots = saved.slots,
                             .counts = counts_of(s, Balance<D>::Counting::Forward)});
    s.run(TakeRows<D, T>{.into = saved.x, .at = source_rows, .from = x});
    s.run(GroupedForward<D, T>{
        .x = saved.x, .weights = experts.gate_up_proj.group(), .offsets = saved.offsets, .y = saved.gate_up});
    s.run(SwiGluForward<D, T>{.gate = saved.gate_up.columns(0, width),
                              .up = saved.gate_up.columns(width, width),
                              .y = saved.active});
    s.run(GroupedForward<D, T>{.x = saved.active,
                               .weights = experts.down_proj.group(),
                               .offsets = saved.offsets,
                               .y = saved.answers});
    s.run(
        CombineForward<D, T>{.from = saved.answers, .slots = saved.slots, .weights = saved.weights, .y = y});
  }

  template <class Dx>
  void backward(On<E> s, const Saved& saved, In<E> dy, Dx dx) const {
    const auto given_back = s.scope();
    const Index rows = dy.rows(), slots = rows * sizes.chosen, width = sizes.intermediate;
    const Out<E> danswers = s.template scratch<T>(slots, sizes.features);
    const View<float, 2, D> dweights = s.template scratch<float>(rows, sizes.chosen);
    const Out<E> dactive = s.template scratch<T>(slots, width),
                 dgate_up = s.template scratch<T>(slots, 2 * width);
    const Out<E> dlogits = s.template scratch<T>(rows, sizes.experts);
    s.run(CombineBackward<D, T>{.dy = dy,
                                .from = saved.answers,
                                .slots = saved.slots,
                                .weights = saved.weights,
                                .dfrom = danswers,
                                .dweights = dweights});
    s.run(GroupedBackwardInput<D, T>{
        .dy = danswers, .weights = experts.down_proj.group(), .offsets = saved.offsets, .dx = dactive});
    s.run(SwiGluBackward<D, T>{.dy = dactive,
                               .gate = saved.gate_up.columns(0, width),
                               .up = saved.gate_up.columns(width, width),
                               .dgate = dgate_up.columns(0, width),
                               .dup = dgate_up.columns(width, width)});
    if constexpr (trained) {
      s.run(GroupedBackwardWeight<D, T>{.dy = danswers,
                                        .x = saved.active,
                                        .offsets = saved.offsets,
                                        .dweights = experts.down_proj.gradient(),
                                        .input_major = !experts.down_proj.turned()});
      s.run(GroupedBackwardWeight<D, T>{.dy = dgate_up,
                                        .x = saved.x,
                                        .offsets = saved.offsets,
                                        .dweights = experts.gate_up_proj.gradient(),
                                        .input_major = !experts.gate_up_proj.turned()});
    }
    route_backward(s, saved, dweights, dlogits);
    if constexpr (wanted<Dx>) {
      // danswers is free now and has the size of the gathered inputs.
      s.run(GroupedBackwardInput<D, T>{
          .dy = dgate_up, .weights = experts.gate_up_proj.group(), .offsets = saved.offsets, .dx = danswers});
      s.run(GatherSum<D, T>{.from = danswers, .slots = saved.slots, .y = dx});
    }
    gate.backward(s, saved.gate, dlogits, dx, true);
  }

  template <class F>
  void visit(F&& f) {
    gate.visit(f);
    f("experts", experts);
  }

 private:
  // This block's counts of choices where a pass of the kind has to do with them.
  View<std::int64_t, 1, D> counts_of(On<E> s, typename Balance<D>::Counting counting) const {
    const Balance<D>& balance = s.balance();
    if (!balance.counts || balance.counting != counting) return {};
    return {balance.counts.row(s.block()), Shape<1>{{sizes.experts}}};
  }
  void route_backward(On<E> s, const Saved& saved, View<const float, 2, D> dweights, Out<E> dlogits) const {
    RouteBackward<D, T> op{.probabilities = saved.probabilities,
                           .experts = saved.chosen,
                           .weights = saved.weights,
                           .dweights = dweights,
                           .dlogits = dlogits};
    const Balance<D>& balance = s.balance();
    if (trained && balance.coefficient > 0) {
      const View<float, 1, D> derivative = s.template scratch<float>(sizes.experts);
      s.run(BalanceLoss<D, T>{.probabilities = saved.probabilities,
                              .offsets = saved.offsets,
                              .counts = counts_of(s, balance.counting),
                              .counted = balance.counting == Balance<D>::Counting::Done,
                              .coefficient = balance.coefficient,
                              .derivative = derivative,
                              .loss = balance.loss});
      op.balance = derivative;
    }
    s.run(op);
  }
};

}  // namespace vlm
