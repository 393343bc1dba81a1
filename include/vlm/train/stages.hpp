// The stages of the published recipe. Masks, contexts and token budgets of S0 and S1 are from the Qwen3-VL
// technical report (arXiv 2511.21631, table 1); learning rates, batch sizes and mixtures are not in it and
// stand in the Recipe.
#pragma once

#include <vlm/train/stage.hpp>

namespace vlm {

// Ours, for models that start from nothing: the decoder learns the language alone, before S0 presumes
// that it knows it.
struct TextWarmUp
    : Stage<"text-warm-up", Trainable<part::Decoder, part::Head>, Context<8192>, Loss<TokenMean>> {};

// Vision-language alignment: only the merger and the DeepStack mergers learn.
struct S0 : Stage<"S0", Trainable<part::Merger>, Context<8192>, Loss<SqrtLoss>, Budget<67'000'000'000>> {};

// Multimodal pretraining: everything learns.
struct S1 : Stage<"S1", Trainable<part::All>, Context<8192>, Loss<SqrtLoss>, Budget<1'000'000'000'000>> {};

// Supervised fine-tuning; the report does not say which loss it used, so this choice is ours.
struct NonThinking {};
template <class Format>
struct SFT;
template <>
struct SFT<NonThinking> : Stage<"SFT", Trainable<part::All>, Context<32768>, Loss<SqrtLoss>> {};

}  // namespace vlm
