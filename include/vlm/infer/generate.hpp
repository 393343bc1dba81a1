// Generator<Net>: greedy answers to many prompts at once. The prompts pass in packed form; then every answer
// that is not finished grows by one token per step, until a stop token or the longest length.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/runtime.hpp>
#include <vlm/infer/cache.hpp>
#include <vlm/model/batch.hpp>
#include <vlm/model/model.hpp>
#include <vlm/model/passes.hpp>
#include <vlm/ops/reduce.hpp>

namespace vlm {

struct GenerateSettings {
  Index max_tokens = 256;                   // of one answer
  std::vector<std::int32_t> stop_tokens{};  // they end an answer and are no part of it
  Index prefill_tokens = 8192;              // of prompts that pass together; a longer prompt passes alone
  Index vocabulary = 0;  // tokens below this are chosen from; 0: from all that the head has
};

// The answer to a prompt does not depend on the prompts beside it. Net is any Model, trained types included;
// it is only read, so several generators, each used by one thread at a time, may share it.
template <class Net>
class Generator {
 public:
  using Device = typename Net::Device;

  // `queue`: arguments of Queue<Device>; for the CPU the number of threads. The net
  // must outlive the generator.
  template <class... QueueArguments>
  explicit Generator(const Net& net, QueueArguments&&... queue)
      : net_(&net),
        runtime_(std::forward<QueueArguments>(queue)...),
        cache_(net.config().text.layers, net.config().text.kv_heads * net.config().text.head_dim) {
    runtime_.keep_activations(false);
  }
  template <class... QueueArguments>
  explicit Generator(const Net&&, QueueArguments&&...) = delete;  // a net that is gone with the statement

  // The answers, in the order of the prompts.
  std::vector<std::vector<std::int32_t>> answer(std::span<const Sample> prompts,
                                                const GenerateSettings& settings) {
    std::vector<std::vector<std::int32_t>> answers(prompts.size());
    stream(prompts, settings, [&](std::size_t prompt, std::int32_t token) {
      if (answers[prompt].empty()) answers[prompt].reserve(static_cast<std::size_t>(settings.max_tokens));
      answers[prompt].push_back(token);
      return true;
    });
    return answers;
  }

  // Calls on_token(number of the prompt, token) for each token as it comes; where that returns false the
  // answer ends. After the first step over single tokens, a step allocates nothing but where answers end.
  template <class OnToken>
  void stream(std::span<const Sample> prompts, const GenerateSettings& settings, OnToken&& on_token) {
    check(prompts, settings);
    if (prompts.empty() || settings.max_tokens == 0) return;
    allot_cache(prompts, settings);
    choices_ = settings.vocabulary > 0 ? std::min(settings.vocabulary, vocabulary()) : vocabulary();
    waiting_.clear();
    for (std::size_t next = 0; next < prompts.size();) {
      next = lay_out_prompts(prompts, next, settings.prefill_tokens);
      runtime_.plan([&] { pass(); });
      pass();
      accept(settings, on_token);
      waiting_.insert(waiting_.end(), passing_.begin(), passing_.end());
    }
    std::swap(passing_, waiting_);
    for (std::size_t planned = 0; !passing_.empty();) {
      lay_out_tokens();
      if (passing_.size() != planned) runtime_.plan([&] { pass(); });  // fewer rows may take more scratch
      planned = passing_.size();
      pass();
      accept(settings, on_token);
    }
  }

 private:
  using T = typename Net::T;
  using Rows = View<T, 2, Device>;

  // An answer under way: the token that passes next, its position, and how many tokens there are so far.
  struct Growing {
    std::size_t prompt = 0;
    std::int32_t token = 0, position = 0;
    Index length = 0;
  };

  Index vocabulary() const { return net_->config().text.vocabulary; }

  void check(std::span<const Sample> prompts, const GenerateSettings& settings) const {
    if (settings.max_tokens < 0 || settings.max_tokens > 0x7fffffff || settings.prefill_tokens < 1)
      throw ConfigError(
          "generate-settings",
          {{"expected", "max_tokens from 0 to 2147483647, prefill_tokens of at least 1"},
           {"got", std::to_string(settings.max_tokens) + " and " + std::to_string(settings.prefill_tokens)},
           {"try", "the values that GenerateSettings begins with"}});
    const auto refuse = [](std::size_t prompt, std::string expected, std::string got) {
      throw DataError("prompt", {{"at", "prompt " + std::to_string(prompt)},
                                 {"expected", std::move(expected)},
                                 {"got", std::move(got)},
                                 {"try", "encoding the prompt with the tokenizer of the model"}});
    };
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      if (prompts[i].tokens.empty()) refuse(i, "at least one token", "none");
      for (const std::int32_t token : prompts[i].tokens)
        if (token < 0 || token >= vocabulary())
          refuse(i, "tokens from 0 to " + std::to_string(vocabulary() - 1), std::to_string(token));
    }
  }

  void allot_cache(std::span<const Sample> prompts, const GenerateSettings& settings) {
    std::vector<Index> capacities;
    for (const Sample& prompt : prompts)  // the last token of an answer never passes
      capacities.push_back(static_cast<Index>(prompt.tokens.size()) + settings.max_tokens - 1);
    cache_.allot(capacities);
  }

  // The pass over as many prompts from `first` on as the budget holds; returns the first that has to wait.
  std::size_t lay_out_prompts(std::span<const Sample> prompts, std::size_t first, Index budget) {
    clear_pass();
    passing_.clear();
    const auto size = [&](std::size_t i) { return static_cast<Index>(prompts[i].tokens.size()); };
    std::size_t next = first;
    do {
      batch_.append(prompts[next], net_->config());
      cache_.append(static_cast<Index>(next), size(next));
      passing_.push_back({.prompt = next, .position = batch_.next_positions.back()});
      ++next;
    } while (next < prompts.size() && batch_.token_count() + size(next) <= budget);
    describe_pass();
    return next;
  }

  // The pass over the next token of every unfinished answer.
  void lay_out_tokens() {
    clear_pass();
    for (Growing& answer : passing_) {
      batch_.tokens.push_back(answer.token);
      batch_.offsets.push_back(static_cast<std::int32_t>(batch_.tokens.size()));
      for (auto& axis : batch_.axes) axis.push_back(answer.position);
      ++answer.position;
      cache_.append(static_cast<Index>(answer.prompt), 1);
    }
    describe_pass();
  }

  void clear_pass() {
    batch_.clear();
    cache_.clear_pass();
    last_rows_.clear();
  }
  void describe_pass() {
    text_ = net_->text_sequences(batch_, tables_);
    cache_.describe(text_);
    for (std::size_t i = 1; i < batch_.offsets.size(); ++i) last_rows_.push_back(batch_.offsets[i] - 1);
    best_.resize(last_rows_.size());
  }

  // Finds the best token after the last row of each sequence.
  void pass() {
    run_logits_pass(runtime_, *net_, batch_, text_, last_rows_, [&](Rows logits) {
      runtime_.run(ArgMax<Device, T>{.x = logits.columns(0, choices_),
                                     .index = {best_.data(), Shape<1>{{logits.rows()}}}});
    });
  }

  // Gives the new tokens away and drops the answers that they finish.
  template <class OnToken>
  void accept(const GenerateSettings& settings, OnToken& on_token) {
    const std::vector<std::int32_t>& stops = settings.stop_tokens;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < passing_.size(); ++i) {
      Growing answer = passing_[i];
      answer.token = best_[i];
      if (std::find(stops.begin(), stops.end(), answer.token) != stops.end()) continue;
      ++answer.length;
      if (on_token(answer.prompt, answer.token) && answer.length < settings.max_tokens)
        passing_[kept++] = answer;
    }
    passing_.resize(kept);
  }

  const Net* net_;
  Runtime<Device> runtime_;
  KeyValueCache<Device> cache_;
  Index choices_ = 0;
  std::vector<Growing> passing_, waiting_;
  Batch batch_;
  Sequences<Device> text_;
  typename Net::RopeTables tables_;
  std::vector<std::int32_t> last_rows_, best_;
};

}  // namespace vlm
