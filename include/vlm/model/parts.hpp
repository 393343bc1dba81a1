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

template <class... Parts>
struct Trainable;

namespace part {
using All = Trainable<Encoder, Merger, Decoder, Head>;
}

namespace detail {
template <class P>
inline constexpr bool is_part = std::is_same_v<P, part::Encoder> || std::is_same_v<P, part::Merger> ||
                                std::is_same_v<P, part::Decoder> || std::is_same_v<P, part::Head>;
}  // namespace detail

// Trainable<part::Merger>: only the mergers learn. Trainable<>: nothing does.
template <class... Parts>
struct Trainable {
  static_assert((detail::is_part<Parts> && ...) || std::is_same_v<Trainable, Trainable<part::All>>,
                "vlm: Trainable<...> takes part::Encoder, part::Merger, part::Decoder and part::Head, or "
                "part::All alone.");
  template <class Part>
  static constexpr bool has = (std::is_same_v<Part, Parts> || ...);
};

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
