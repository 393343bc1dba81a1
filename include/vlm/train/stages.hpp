// The stages of the published recipe. What trains, the contexts and the token budgets of S0 to S3 are those of the
// Qwen3-VL technical report (arXiv 2511.21631, table 1), and so is a square-root-normalised loss, whose formula the
// report does not print (train/stage.hpp names the one taken here). The report has no learning rates, batch sizes,
// warm-ups, mixtures or recomputation: those in the Recipe and in Keep<...> are this library's own.
#pragma once

#include <vlm/train/stage.hpp>

namespace vlm {

// Ours, for models that start from nothing: the decoder learns the language alone, before S0 presumes
// that it knows it.
struct TextWarmUp
    : Stage<"text-warm-up", Trainable<part::Decoder, part::Head>, Context<8192>, Loss<TokenMean>> {};

// Vision-language alignment: only the merger learns. That the DeepStack mergers belong to it is our reading; left
// out they would stay random.
struct S0 : Stage<"S0", Trainable<part::Merger>, Context<8192>, Loss<SqrtLoss>, Budget<67'000'000'000>> {};

// Multimodal pretraining: everything learns. The report says "about" one trillion tokens, here and in S2.
struct S1 : Stage<"S1", From<S0>, Trainable<part::All>, Budget<1'000'000'000'000>> {};

// Long-context pretraining.
struct S2 : Stage<"S2", From<S1>, Context<32768>, Keep<BlockInputs>> {};

// Ultra-long-context adaptation.
struct S3 : Stage<"S3", From<S2>, Context<262144>, Budget<100'000'000'000>> {};

// Supervised fine-tuning on one of two formats, from which the report's two kinds of models come. NonThinking: prompts
// open the answer, which is learned as it stands. Thinking: prompts open <think>, and what is learned is the thoughts,
// </think> and the answer; each conversation must end with an answer that has thoughts, and those of turns before the
// last question are dropped. The context is that of the report's first epoch; a second one has S3's. Which parts learned,
// with which loss and on how many tokens, the report does not say: these are our choices.
template <class Format>
struct SFT;
template <>
struct SFT<NonThinking>
    : Stage<"SFT", Trainable<part::All>, Context<32768>, Loss<SqrtLoss>, Format<NonThinking>> {};
template <>
struct SFT<Thinking> : Stage<"SFT-thinking", From<SFT<NonThinking>>, Format<Thinking>> {};

}  // namespace vlm
