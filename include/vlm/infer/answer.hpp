// Answer: what a reply came to, and why it ended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/infer/session.hpp>

namespace vlm {

enum class StopReason : std::uint8_t {
  End,              // the model ended it
  Length,           // max_tokens
  StopString,       // one of ReplySettings::stop
  ThinkingBudget,   // thoughts that were closed at thinking_tokens
  RepetitionGuard,  // a cycle of tokens
  Cancelled         // by ReplySettings::cancel, or nobody asked for more pieces
};

constexpr std::string_view name_of(StopReason reason) {
  constexpr std::string_view names[] = {
      "end", "length", "stop string", "thinking budget", "repetition guard", "cancelled"};
  return names[static_cast<std::size_t>(reason)];
}

struct Answer {
  std::string text, thoughts;
  StopReason stop = StopReason::Cancelled;
  // Of a model that thinks: why its thoughts ended. The same as `stop` where the whole reply ended within them, and then
  // there is no text.
  std::optional<StopReason> thinking_stop{};
  // Of thoughts and answer, without the one that ends it; behind a stop string with those that spell it.
  std::vector<std::int32_t> tokens{};
  // Of each token, where asked for: the logarithm of its probability after penalties and temperature; NaN for the tokens
  // that closed the thoughts by force.
  std::vector<float> log_probabilities{};
  PrefillCounts prefill{};  // of the prompt
};

// A part of a reply: whole characters.
struct ReplyPiece {
  std::string_view text;
  bool thought = false;
  operator std::string_view() const { return text; }
};

}  // namespace vlm
