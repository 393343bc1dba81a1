// ReplyRun<Net>: grows an answer token by token: sampling, thoughts and their end, and every reason to stop.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/random.hpp>
#include <vlm/infer/answer.hpp>
#include <vlm/infer/chat_files.hpp>
#include <vlm/infer/repetition_guard.hpp>
#include <vlm/infer/reply_settings.hpp>
#include <vlm/infer/session.hpp>
#include <vlm/infer/stop_strings.hpp>
#include <vlm/ops/sample.hpp>
#include <vlm/text/tokenizer.hpp>

namespace vlm {

// The tokens that penalties read: each once, with how often the answer has it.
class SeenTokens {
 public:
  // Nothing is counted where no penalty is set.
  SeenTokens(const SampleSettings& s, Index vocabulary)
      : counts_answer_(s.repetition_penalty != 1 || s.presence_penalty != 0 || s.frequency_penalty != 0),
        lists_prompt_(s.repetition_penalty != 1) {
    if (!counts_answer_) return;
    const auto size = static_cast<std::size_t>(vocabulary);
    places_.assign(size, -1);
    tokens_.reserve(size);
    counts_.reserve(size);
  }
  void add_prompt(const std::vector<std::int32_t>& tokens) {
    if (lists_prompt_)
      for (const std::int32_t token : tokens) count(token, 0);
  }
  void add(std::int32_t token) {
    if (counts_answer_) count(token, 1);
  }
  template <class Operation>
  void describe(Operation& op) {
    if (!counts_answer_) return;
    offsets_[1] = static_cast<std::int32_t>(tokens_.size());
    const Shape<1> listed{{static_cast<Index>(tokens_.size())}};
    op.seen_offsets = {offsets_, Shape<1>{{2}}};
    op.seen_tokens = {tokens_.data(), listed};
    op.seen_counts = {counts_.data(), listed};
  }

 private:
  void count(std::int32_t token, std::int32_t times) {
    if (static_cast<std::size_t>(token) >= places_.size()) return;
    std::int32_t& place = places_[static_cast<std::size_t>(token)];
    if (place < 0) {
      place = static_cast<std::int32_t>(tokens_.size());
      tokens_.push_back(token);
      counts_.push_back(0);
    }
    counts_[static_cast<std::size_t>(place)] += times;
  }

  bool counts_answer_, lists_prompt_;
  std::vector<std::int32_t> places_, tokens_,
      counts_;  // places_: [vocabulary], -1 where a token is not listed
  std::int32_t offsets_[2] = {0, 0};
};

template <class Net>
class ReplyRun {
 public:
  // `draws`: the stream of random numbers. What comes goes into `answer`; all arguments outlive the run.
  ReplyRun(Session<Net>& session, const ChatFiles& files, const ReplySettings& settings,
           const ReplyDefaults& defaults, std::uint64_t draws, Answer& answer)
      : session_(session),
        settings_(settings),
        answer_(answer),
        end_tokens_(defaults.end_tokens),
        sampling_(GenerationConfig::apply(settings, defaults.sampling)),
        max_tokens_(settings.max_tokens.value_or(defaults.max_tokens)),
        thinking_tokens_(settings.thinking_tokens.value_or(defaults.thinking_tokens)),
        random_(settings.seed, draws),
        thinking_(files.thinking()),
        choices_(std::min(static_cast<Index>(files.tokenizer().vocabulary_size()),
                          session.net().config().text.vocabulary)),
        seen_(sampling_, choices_),
        guard_(settings.guard),
        decoder_(files.tokenizer(), SpecialTokens::Skip),
        stops_(settings.stop),
        thought_end_({"</think>"}) {
    check("max_tokens", max_tokens_, 1);
    check("thinking_tokens", thinking_tokens_, 0);
    if (thinking_) forced_ = files.tokenizer().encode("\n</think>\n\n");
  }
  ReplyRun(const ReplyRun&) = delete;
  ReplyRun& operator=(const ReplyRun&) = delete;

  // Tokens that the sequence may grow by.
  Index growth() const {
    return max_tokens_ + (thinking_ ? thinking_tokens_ + static_cast<Index>(forced_.size()) : 0);
  }

  void start(const Prompt& prompt) {
    const auto tokens = static_cast<std::size_t>(std::min(growth(), Session<Net>::most_reserved));
    answer_.tokens.reserve(tokens);
    text_.reserve(256);
    answer_.text.reserve(std::min<std::size_t>(8 * static_cast<std::size_t>(max_tokens_), 1 << 20));
    if (thinking_) answer_.thoughts.reserve(std::min<std::size_t>(8 * tokens, 1 << 20));
    if (settings_.log_probabilities) answer_.log_probabilities.reserve(tokens);
    const bool whole = session_.prefill(prompt, growth(), settings_.cancel);
    answer_.prefill = session_.counts();
    if (!whole) return finish(StopReason::Cancelled);
    seen_.add_prompt(prompt.tokens);
    session_.runtime().plan([&] { sample(); });
    if (thinking_ && thinking_tokens_ == 0) close_thoughts(StopReason::ThinkingBudget);
  }

  // The next piece; false where there is none any more.
  bool next() {
    do {
      piece_begin_ = answer_.text.size();
      thought_begin_ = answer_.thoughts.size();
      if (done_) return false;
      advance();
    } while (piece().text.empty());
    return true;
  }
  ReplyPiece piece() const {
    const auto after = [](const std::string& text, std::size_t begin) {
      return std::string_view(text).substr(begin);
    };
    if (settings_.thoughts == Thoughts::Show && answer_.thoughts.size() > thought_begin_)
      return {after(answer_.thoughts, thought_begin_), true};
    return {after(answer_.text, piece_begin_), false};
  }

  bool done() const { return done_; }
  // Ends the reply where it is.
  void finish(StopReason reason) {
    if (std::exchange(done_, true)) return;
    answer_.stop = reason;
    if (thinking_) answer_.thinking_stop = reason;
    if (reason != StopReason::StopString) {
      const std::string rest = decoder_.finish();
      if (thinking_) {
        thought_end_.push(rest, answer_.thoughts);
        thought_end_.finish(answer_.thoughts);
      } else {
        stops_.push(rest, answer_.text);
        stops_.finish(answer_.text);
      }
    }
    session_.share();
  }

 private:
  static constexpr Index most = Index{1} << 30;
  using Device = typename Net::Device;
  using T = typename Net::T;

  static void check(const char* setting, Index got, Index least) {
    if (got < least || got > most)
      throw ConfigError("reply-settings",
                        {{"setting", setting},
                         {"expected", "from " + std::to_string(least) + " to " + std::to_string(most)},
                         {"got", std::to_string(got)},
                         {"try", "another number; left open it is that of generation_config.json"}});
  }

  void advance() {
    if (settings_.cancel.stop_requested()) return finish(StopReason::Cancelled);
    if (pending_ >= 0) session_.step(std::exchange(pending_, -1));
    sample();
    if (chosen_ < 0)
      throw DataError("reply-logits", {{"at", "token " + std::to_string(answer_.tokens.size())},
                                       {"expected", "logits that are a distribution"},
                                       {"got", "NaN or infinity"},
                                       {"try", "weights and settings that are whole"}});
    if (std::find(end_tokens_.begin(), end_tokens_.end(), chosen_) != end_tokens_.end())
      return finish(StopReason::End);
    record(chosen_, log_probability_);
    pending_ = chosen_;
    thinking_ ? think(chosen_) : say(chosen_);
  }

  void sample() {
    // An answer holds no pictures, so <|image_pad|> and <|video_pad|> are no choice.
    const ModelConfig& config = session_.net().config();
    for (const std::int32_t token : {config.image_token, config.video_token})
      session_.logits().data[token] = -std::numeric_limits<T>::infinity();
    uniform_ = random_.uniform(answer_.tokens.size());
    SampleTokens<Device, T> op{.logits = session_.logits().columns(0, choices_),
                               .settings = {&sampling_, one},
                               .uniform = {&uniform_, one},
                               .tokens = {&chosen_, one}};
    if (settings_.log_probabilities) op.log_probabilities = {&log_probability_, one};
    seen_.describe(op);
    session_.runtime().run(op);
  }
  void record(std::int32_t token, float log_probability) {
    answer_.tokens.push_back(token);
    if (settings_.log_probabilities) answer_.log_probabilities.push_back(log_probability);
    seen_.add(token);
  }

  void think(std::int32_t token) {
    if (thought_end_.push(text_of(token), answer_.thoughts)) return begin_answer(StopReason::End);
    ++thought_count_;
    if (guard_.push(token))
      close_thoughts(StopReason::RepetitionGuard);
    else if (thought_count_ >= thinking_tokens_)
      close_thoughts(StopReason::ThinkingBudget);
  }
  // Writes the end of the thoughts in the model's place.
  void close_thoughts(StopReason reason) {
    for (const std::int32_t token : forced_) {
      if (pending_ >= 0) session_.step(pending_);
      pending_ = token;
      record(token, std::numeric_limits<float>::quiet_NaN());
    }
    thought_end_.push(decoder_.finish(), answer_.thoughts);
    begin_answer(reason);
  }
  void begin_answer(StopReason reason) {
    thought_end_.finish(answer_.thoughts);
    answer_.thinking_stop = reason;
    thinking_ = false;
    at_beginning_ = true;
    guard_ = RepetitionGuard(settings_.guard);
  }

  // What the token completes, until the next one.
  std::string_view text_of(std::int32_t token) {
    text_.clear();
    decoder_.push(token, text_);
    return text_;
  }

  void say(std::int32_t token) {
    std::string_view shown = text_of(token);
    if (at_beginning_) {  // the line breaks after the thoughts
      shown.remove_prefix(std::min(shown.find_first_not_of('\n'), shown.size()));
      at_beginning_ = shown.empty();
    }
    ++said_count_;
    if (stops_.push(shown, answer_.text)) return finish(StopReason::StopString);
    if (guard_.push(token)) return finish(StopReason::RepetitionGuard);
    if (said_count_ >= max_tokens_) finish(StopReason::Length);
  }

  static constexpr Shape<1> one{{1}};

  Session<Net>& session_;
  const ReplySettings& settings_;
  Answer& answer_;
  std::vector<std::int32_t> end_tokens_;
  SampleSettings sampling_;
  Index max_tokens_, thinking_tokens_;
  Random random_;
  bool thinking_, at_beginning_ = false, done_ = false;
  Index choices_;
  SeenTokens seen_;
  RepetitionGuard guard_;
  StreamDecoder decoder_;
  std::string text_;
  StopStrings stops_, thought_end_;
  std::vector<std::int32_t> forced_;
  std::int32_t pending_ = -1, chosen_ = -1;  // the token that passes next; the one just drawn
  float uniform_ = 0, log_probability_ = 0;
  Index said_count_ = 0, thought_count_ = 0;
  std::size_t piece_begin_ = 0, thought_begin_ = 0;
};

}  // namespace vlm
