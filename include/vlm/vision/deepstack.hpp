// DeepStack<N>: the outputs of N encoder blocks, each through a merger of its own, are added to the text rows
// at visual places after the decoder's first N blocks.   Source: Meng et al., "DeepStack", 2024.
#pragma once

#include <string>
#include <vector>

#include <vlm/vision/merger.hpp>

namespace vlm {

template <int N>
struct DeepStack {
  static_assert(N >= 0, "vlm: DeepStack<N> takes the number of taps, 0 or more.");
  static constexpr int taps = N;
};

namespace detail {

template <class Kind, class E>
struct TapOf {
  using Layer = typename Kind::template Layer<E>;
};
template <class Kind, class E>
  requires requires { typename Kind::template Tap<E>; }
struct TapOf<Kind, E> {
  using Layer = typename Kind::template Tap<E>;
};

}  // namespace detail

// The main merger and the tap mergers: what "train the merger" means.
template <class E_, class Kind>
struct Mergers {
  using E = E_;
  using Main = typename Kind::template Layer<E>;
  using Tap = typename detail::TapOf<Kind, E>::Layer;

  Named<"merger", Main> main;
  std::vector<Tap> taps;

  Mergers(const MergerSizes& n, Index tap_count) : main(n) {
    for (Index j = 0; j < tap_count; ++j) taps.emplace_back(n);
  }
  template <class F>
  void visit(F&& f) {
    main.visit(f);
    for (std::size_t j = 0; j < taps.size(); ++j) f("deepstack_merger_list." + std::to_string(j), taps[j]);
  }
};

}  // namespace vlm
