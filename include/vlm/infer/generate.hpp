// Generator<Net>: greedy answers to many prompts at once. The prompts pass in packed form; then every answer
// that is not finished grows by one token per step, until a stop token or the longest length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/runtime.hpp>
#include <vlm/infer/cache.hpp>
#include <vlm/model/batch.hpp>
#include <vlm/ops/matmul.hpp>
#include <vlm/ops/reduce.hpp>
#include <vlm/ops/rows.hpp>

namespace vlm {

struct GenerateSettings {
  Index max_tokens = 256;                 // of one answer
  std::vector<std::int32_t> stop_tokens;  // end an answer and are no part of it
  Index prefill_tokens = 8192;            // of the prompts that pass together; a longer prompt passes alone
};

// The answer to a prompt does not depend on the prompts beside it. Net is any Model, trained types included;
// it is read only, so that several generators, each on a thread of its own, may share one.
template <class Net>
class Generator {
 public:
  using Device = typename Net::Device;
  using T = typename Net::T;

  // `queue`: arguments of Queue<Device>; on the CPU the number of threads. The net must outlive the generator.
  template <class... QueueArguments>
  explicit Generator(const Net& net, QueueArguments&&... queue)
      : net_(&net),
        runtime_(std::forward<QueueArguments>(queue)...),
        cache_(net.config().text.layers, net.config().text.kv_heads * net.config().text.head_dim) {
    runtime_.keep_activations(false);
  }

  // The answers, in the order of the prompts.
  std::vector<std::vector<std::int32_t>> answer(std::span<const Sample> prompts,
                                                const GenerateSettings& settings) {
    std::vector<std::vector<std::int32_t>> answers(prompts.size());
    stream(prompts, settings, [&](std::size_t prompt, std::int32_t token) {
      answers[prompt].push_back(token);
      return true;
    });
    return answers;
  }

  // Calls on_token(number of the prompt, token) for each token as it comes; an answer ends where this returns
  // false. From the second token on, a step allocates nothing.
  template <class OnToken>
  void stream(std::span<const Sample> prompts, const GenerateSettings& settings, OnToken&& on_token) {
    check(prompts, settings);
    if (prompts.empty() || settings.max_tokens == 0) return;
    make_room(prompts, settings);
    for (std::size_t first = 0; first < prompts.size();) {
      first = lay_out_prompts(prompts, first, settings.prefill_tokens);
      run_pass();
      accept(settings, on_token);
      std::move(passing_.begin(), passing_.end(), std::back_inserter(growing_));
    }
    std::swap(passing_, growing_);
    while (!passing_.empty()) {
      lay_out_tokens();
      run_pass();
      accept(settings, on_token);
    }
  }

 private:
  using Rows = View<T, 2, Device>;

  // An answer under way.
  struct Growing {
    std::size_t prompt;
    std::int32_t token, position;  // that comes next
    Index length;                  // tokens so far
  };

  void check(std::span<const Sample> prompts, const GenerateSettings& settings) const {
    if (settings.max_tokens < 0 || settings.prefill_tokens < 1)
      throw ConfigError("generate-settings",
                        {{"expected", "max_tokens of at least 0, prefill_tokens of at least 1"},
                         {"got", std::to_string(settings.max_tokens) + " and " +
                                     std::to_string(settings.prefill_tokens)}});
    const Index vocabulary = net_->config().text.vocabulary;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      const auto refuse = [&](std::string expected, std::string got) {
        throw DataError("prompt", {{"at", "prompt " + std::to_string(i)},
                                   {"expected", std::move(expected)},
                                   {"got", std::move(got)}});
      };
      if (prompts[i].tokens.empty()) refuse("at least one token", "none");
      for (const std::int32_t token : prompts[i].tokens)
        if (token < 0 || token >= vocabulary)
          refuse("tokens below vocab_size " + std::to_string(vocabulary), std::to_string(token));
    }
  }
};

}  // namespace vlm
