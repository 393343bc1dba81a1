// Sampling: chooses a token of each row of logits. The steps and their order are those of Hugging Face
// transformers, with the two penalties that serving adds:
//   penalties    of a listed token: x / r where x >= 0, else x * r; then x - frequency * count, and
//                - presence where count > 0
//   temperature  x / t; 0 takes the largest, and of equals the lowest index
//   top-k        keeps x from the k-th largest on, with all that equal it
//   top-p        in falling order, of equals the lower index first: keeps a token while those before it have less
//                than p of the probability that top-k left, and always the first
//   min-p        keeps a token with at least min_p of the largest probability
//   choice       the first token, by index, at which the kept probabilities sum to more than `uniform` of all kept
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include <vlm/core/error.hpp>
#include <vlm/core/queue.hpp>
#include <vlm/core/view.hpp>

namespace vlm {

// The defaults change nothing: tokens are drawn from the model's own distribution.
struct SampleSettings {
  float temperature = 1;   // 0: greedy; what truncates has no effect then
  std::int32_t top_k = 0;  // 0: all
  float top_p = 1;
  float min_p = 0;
  float repetition_penalty = 1;  // of the listed tokens
  float presence_penalty = 0;    // once, of the listed tokens that have a count
  float frequency_penalty = 0;   // times the count
};

// `tokens` becomes -1, and its log-probability NaN, where a row is no distribution: it has a NaN or +infinity after
// the penalties, or nothing above -infinity. Earlier tokens of a row are listed once each: those of the prompt with
// count 0, those of the answer with their number.
template <class D, class T>
struct SampleTokens {
  View<const T, 2, D> logits{};                   // [rows, vocabulary]
  View<const SampleSettings, 1, D> settings{};    // [rows]
  View<const float, 1, D> uniform{};              // [rows] in [0, 1), of Random; read where temperature > 0
  View<const std::int32_t, 1, D> seen_offsets{};  // [rows + 1] into the next two; empty: no earlier tokens
  View<const std::int32_t, 1, D> seen_tokens{};   // [listed]
  View<const std::int32_t, 1, D> seen_counts{};   // [listed]
  View<std::int32_t, 1, D> tokens{};              // [rows]
  // [rows], or empty: of the chosen token after penalties and temperature (1 where that is 0), before top-k, top-p
  // and min-p.
  View<float, 1, D> log_probabilities{};
};

// Throws ConfigError [sample-settings] for settings that mean nothing.
inline void check_sample_settings(const SampleSettings& s) {
  const auto demand = [](bool holds, const char* setting, const char* expected, double got) {
    if (holds) return;
    throw ConfigError("sample-settings", {{"setting", setting},
                                          {"expected", expected},
                                          {"got", std::to_string(got)},
                                          {"try", "the generation_config.json of the model"}});
  };
  const auto is_share = [](float value) { return value >= 0 && value <= 1; };
  demand(std::isfinite(s.temperature) && s.temperature >= 0, "temperature", "a finite number from 0",
         s.temperature);
  demand(s.top_k >= 0, "top_k", "a count, or 0 for all tokens", s.top_k);
  demand(is_share(s.top_p), "top_p", "a share from 0 to 1", s.top_p);
  demand(is_share(s.min_p), "min_p", "a share from 0 to 1", s.min_p);
  demand(std::isfinite(s.repetition_penalty) && s.repetition_penalty > 0, "repetition_penalty",
         "a finite number above 0", s.repetition_penalty);
  demand(std::isfinite(s.presence_penalty), "presence_penalty", "a finite number", s.presence_penalty);
  demand(std::isfinite(s.frequency_penalty), "frequency_penalty", "a finite number", s.frequency_penalty);
}

// Throws ShapeError [sample-shape] where extents do not fit, ConfigError [sample-settings], and DataError
// [sample-list] for uniform numbers or lists of earlier tokens that are out of range.
template <class T>
void check_sample(const SampleTokens<Cpu, T>& op) {
  const Index rows = op.logits.rows(), vocabulary = op.logits.extent[1];
  const auto demand_rows = [](const char* what, Index got, Index expected) {
    if (got != expected)
      throw ShapeError("sample-shape", {{"at", what},
                                        {"expected", "[" + std::to_string(expected) + "]"},
                                        {"got", "[" + std::to_string(got) + "]"},
                                        {"try", "one entry for each row of the logits"}});
  };
  const auto refuse = [](std::string where, std::string expected, std::string got) {
    throw DataError("sample-list", {{"at", std::move(where)},
                                    {"expected", std::move(expected)},
                                    {"got", std::move(got)},
                                    {"try", "list each earlier token of a row once, with its count"}});
  };
  if (rows > 0 && (vocabulary < 1 || vocabulary > 0x7fffffff))
    throw ShapeError("sample-shape", {{"at", "logits"},
                                      {"expected", "a vocabulary from 1 to 2147483647"},
                                      {"got", shape_text(op.logits)},
                                      {"try", "logits of a row for each token to choose"}});
  demand_rows("settings", op.settings.rows(), rows);
  demand_rows("tokens", op.tokens.rows(), rows);
  if (op.log_probabilities) demand_rows("log_probabilities", op.log_probabilities.rows(), rows);
  if (op.uniform) demand_rows("uniform", op.uniform.rows(), rows);
  for (Index i = 0; i < rows; ++i) {
    check_sample_settings(op.settings(i));
    if (op.settings(i).temperature == 0) continue;
    if (!op.uniform) demand_rows("uniform", 0, rows);
    if (!(op.uniform(i) >= 0 && op.uniform(i) < 1))
      refuse("uniform[" + std::to_string(i) + "]", "a number from 0 to below 1",
             std::to_string(op.uniform(i)));
  }
  if (!op.seen_offsets) return;
  const Index listed = op.seen_tokens.rows();
  demand_rows("seen_offsets", op.seen_offsets.rows(), rows + 1);
  demand_rows("seen_counts", op.seen_counts.rows(), listed);
  for (Index i = 0; i <= rows; ++i)
    if (op.seen_offsets(i) < (i > 0 ? op.seen_offsets(i - 1) : 0) || op.seen_offsets(i) > listed)
      refuse("seen_offsets[" + std::to_string(i) + "]", "rising from 0 to " + std::to_string(listed),
             std::to_string(op.seen_offsets(i)));
  for (Index i = 0; i < listed; ++i) {
    if (op.seen_tokens(i) < 0 || op.seen_tokens(i) >= vocabulary)
      refuse("seen_tokens[" + std::to_string(i) + "]", "a token below " + std::to_string(vocabulary),
             std::to_string(op.seen_tokens(i)));
    if (op.seen_counts(i) < 0)
      refuse("seen_counts[" + std::to_string(i) + "]", "a count", std::to_string(op.seen_counts(i)));
  }
}

template <class T>
std::size_t scratch_bytes(const Queue<Cpu>&, const SampleTokens<Cpu, T>&);
template <class T>
void compute(Queue<Cpu>&, const SampleTokens<Cpu, T>&, Scratch);

}  // namespace vlm
