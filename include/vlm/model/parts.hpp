// The parts of a model that a training stage can train, and the set of them as a type.
#pragma once

#include <type_traits>

#include <vlm/nn/env.hpp>

namespace vlm {

namespace part {
struct Encoder {};  // the vision tower
struct Merger {};   // the main merger and the DeepStack mergers
struct Decoder {};  // token table, blocks and last norm; a tied head is part of the token table
struct Head {};     // an output matrix of its own
}  // namespace part

// Trainable<part::Merger>: only the mergers learn. Trainable<>: nothing does.
template <class... Parts>
struct Trainable {
  template <class Part>
  static constexpr bool has = (std::is_same_v<Part, Parts> || ...);
};

namespace part {
using All = Trainable<Encoder, Merger, Decoder, Head>;
}

namespace detail {

// Trainable<part::All> means the set itself.
template <class Set>
struct FlattenTrainable {
  using Type = Set;
};
template <>
struct FlattenTrainable<Trainable<part::All>> {
  using Type = part::All;
};

// A part's mode: it learns, or something before it learns, or neither.
template <bool Learns, bool LearnsBefore>
using ModeOf = std::conditional_t<Learns, Trained, std::conditional_t<LearnsBefore, Passing, Inert>>;

}  // namespace detail

}  // namespace vlm
