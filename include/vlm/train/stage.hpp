// Stage<"name", options...>: what a training stage is, as a type. Options stand in any order; From<Base>
// supplies those that are not given. Define with options, name by deriving:
//   struct Charts : Stage<"charts", From<S1>, Trainable<part::Merger>> {};
#pragma once

#include <optional>
#include <type_traits>

#include <vlm/core/fixed_string.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/model/parts.hpp>
#include <vlm/text/chat_template.hpp>

namespace vlm {

namespace detail {
struct StageBase {};
}  // namespace detail

// Options. Which parts learn is Trainable<...> (model/parts.hpp).
template <class LossT>
struct Loss {
  static_assert(
      requires { double{LossT::power}; },
      "vlm: Loss<...> takes TokenMean, SqrtLoss, SampleMean or a type with a constant double `power`.");
  using Type = LossT;
};
template <class Policy>
struct Keep {
  using Type = Policy;
};
template <Index Tokens>
struct Context {
  static_assert(Tokens > 0, "vlm: Context<N> takes a positive number of tokens.");
  static constexpr Index tokens = Tokens;
};
// Which of the published chat templates writes the conversations: that of the Instruct models, answers alone, or that of
// the Thinking models, answers behind thoughts. The start's folder must have it. AnyFormat takes what the folder has.
struct AnyFormat {
  static constexpr std::optional<ChatVariant> variant{};
};
struct NonThinking {
  static constexpr std::optional<ChatVariant> variant = ChatVariant::Instruct;
};
struct Thinking {
  static constexpr std::optional<ChatVariant> variant = ChatVariant::Thinking;
};
template <class FormatT>
struct Format {
  static_assert(std::is_same_v<FormatT, AnyFormat> || std::is_same_v<FormatT, NonThinking> ||
                    std::is_same_v<FormatT, Thinking>,
                "vlm: Format<...> takes AnyFormat, NonThinking or Thinking.");
  using Type = FormatT;
};
// Tokens that the published recipe spends on the stage: for the reader, nothing stops there.
template <Index Tokens>
struct Budget {
  static_assert(Tokens >= 0, "vlm: Budget<N> takes a number of tokens.");
  static constexpr Index tokens = Tokens;
};
template <class Base>
struct From {
  using Type = Base;
};

// Weights of supervised tokens: a token of a sample with n of them weighs n^(-power), divided by the sum of
// all weights of the step.   Source: Chen et al., "InternVL 2.5", 2024 (square averaging is power 1/2).
struct TokenMean {
  static constexpr double power = 0;
};
struct SqrtLoss {
  static constexpr double power = 0.5;
};
struct SampleMean {
  static constexpr double power = 1;
};

namespace detail {

enum class OptionKind { Trainable, Loss, Keep, Context, Format, Budget, From, Unknown };

template <class T>
inline constexpr OptionKind option_kind = OptionKind::Unknown;
template <class... P>
inline constexpr OptionKind option_kind<Trainable<P...>> = OptionKind::Trainable;
template <class L>
inline constexpr OptionKind option_kind<Loss<L>> = OptionKind::Loss;
template <class P>
inline constexpr OptionKind option_kind<Keep<P>> = OptionKind::Keep;
template <Index N>
inline constexpr OptionKind option_kind<Context<N>> = OptionKind::Context;
template <class F>
inline constexpr OptionKind option_kind<Format<F>> = OptionKind::Format;
template <Index N>
inline constexpr OptionKind option_kind<Budget<N>> = OptionKind::Budget;
template <class B>
inline constexpr OptionKind option_kind<From<B>> = OptionKind::From;

struct NoOption {};

// Stands where a base that is no stage would bring further errors.
struct NoBase {
  template <OptionKind, class Default>
  using Option = Default;
};

// The first option of a kind, or NoOption.
template <OptionKind Kind, class... Options>
struct FindOption {
  using Type = NoOption;
};
template <OptionKind Kind, class Option, class... Options>
struct FindOption<Kind, Option, Options...> {
  using Type =
      typename std::conditional_t<option_kind<Option> == Kind, std::type_identity<Option>,
                                  std::type_identity<typename FindOption<Kind, Options...>::Type>>::type;
};

// An option of a stage: its own, else that of the stage it comes from, else the default.
template <OptionKind Kind, class Default, class... Options>
struct StageOption {
  using Own = typename FindOption<Kind, Options...>::Type;
  using Base = typename FindOption<OptionKind::From, Options...>::Type;
  template <class B>
  struct Inherited {
    using Type = Default;
  };
  template <class B>
  struct Inherited<From<B>> {
    using Type = typename std::conditional_t<std::is_base_of_v<StageBase, B>, B,
                                             NoBase>::template Option<Kind, Default>;
  };
  using Type = std::conditional_t<std::is_same_v<Own, NoOption>, typename Inherited<Base>::Type, Own>;
};

template <class Option>
inline constexpr bool comes_from_a_stage = true;
template <class B>
inline constexpr bool comes_from_a_stage<From<B>> = std::is_base_of_v<StageBase, B>;

template <OptionKind Kind, class... Options>
inline constexpr int option_count = ((option_kind<Options> == Kind) + ... + 0);

}  // namespace detail

template <FixedString Name, class... Options>
struct Stage : detail::StageBase {
  static_assert(((detail::option_kind<Options> != detail::OptionKind::Unknown) && ...),
                "vlm: an argument of Stage<...> is no option; options are Trainable, Loss, Keep, Context, "
                "Format, Budget, From.");
  static_assert(detail::option_count<detail::OptionKind::Trainable, Options...> <= 1 &&
                    detail::option_count<detail::OptionKind::Loss, Options...> <= 1 &&
                    detail::option_count<detail::OptionKind::Keep, Options...> <= 1 &&
                    detail::option_count<detail::OptionKind::Context, Options...> <= 1 &&
                    detail::option_count<detail::OptionKind::Format, Options...> <= 1 &&
                    detail::option_count<detail::OptionKind::Budget, Options...> <= 1 &&
                    detail::option_count<detail::OptionKind::From, Options...> <= 1,
                "vlm: an option of Stage<...> is given twice; keep one of the two.");
  static_assert((detail::comes_from_a_stage<Options> && ...),
                "vlm: From<...> takes a stage, which derives from vlm::Stage<...>.");
  template <detail::OptionKind Kind, class Default>
  using Option = typename detail::StageOption<Kind, Default, Options...>::Type;

  static constexpr auto stage_name = Name;
  using Trains = Option<detail::OptionKind::Trainable, detail::NoOption>;
  static_assert(!std::is_same_v<Trains, detail::NoOption> || !(detail::comes_from_a_stage<Options> && ...),
                "vlm: Stage<...> does not say what trains; add Trainable<part::...> or From<a stage>.");
  static_assert(!std::is_same_v<Trains, Trainable<>>,
                "vlm: a Stage<...> trains at least one part; Trainable<> trains none.");
  static_assert(std::is_empty_v<Trains>);  // what is no part is a sentence here already
  using LossKind = typename Option<detail::OptionKind::Loss, Loss<TokenMean>>::Type;
  using KeepKind = typename Option<detail::OptionKind::Keep, Keep<Everything>>::Type;
  using FormatKind = typename Option<detail::OptionKind::Format, Format<AnyFormat>>::Type;
  static constexpr Index context = Option<detail::OptionKind::Context, Context<8192>>::tokens;
  static constexpr Index budget = Option<detail::OptionKind::Budget, Budget<0>>::tokens;
};

template <class S>
concept TrainingStage = std::is_base_of_v<detail::StageBase, S>;

}  // namespace vlm
