// sft FOLDER DATA OUT: fine-tunes any Qwen3-VL folder, dense or with experts, on conversations (JSON lines or any other
// source of docs/data.md); all of it, or the parts that --train names. OUT/model is such a folder again. Ctrl-C saves; the
// same call goes on.
// test: sft {toy}/start {toy}/data.jsonl out --from-scratch --steps 5 --context 256
// test: sft {toy}/start {toy}/data.jsonl out --from-scratch --steps 3 --train merger --validation {toy}/data.jsonl
#include <string>

#include <vlm/vlm.hpp>

#include "command_line.hpp"

namespace {

template <class... Parts>
struct FineTuning : vlm::Stage<"sft", vlm::From<vlm::SFT<vlm::NonThinking>>, vlm::Trainable<Parts...>,
                               vlm::Format<vlm::AnyFormat>> {};

template <class... Parts>
int train(const vlm::Recipe& recipe) {
  const auto run = [&](auto&& trainer) { return trainer.run() == vlm::RunEnd::Finished ? 0 : 130; };
  if (vlm::ModelConfig::load(recipe.start).text.experts > 0)
    return run(vlm::Trainer<FineTuning<Parts...>, vlm::Qwen3VLMoE>(recipe));
  return run(vlm::Trainer<FineTuning<Parts...>, vlm::Qwen3VL>(recipe));
}

// A head of its own learns with the decoder.
int train_parts(const std::string& parts, const vlm::Recipe& recipe) {
  using namespace vlm::part;
  if (parts == "merger") return train<Merger>(recipe);
  if (parts == "decoder") return train<Decoder, Head>(recipe);
  if (parts == "merger,decoder") return train<Merger, Decoder, Head>(recipe);
  return train<Encoder, Merger, Decoder, Head>(recipe);
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Fine-tunes a Qwen3-VL model on conversations.");
  std::string parts = "all";
  vlm::Recipe recipe{
      .data = {{}}, .context = 4096, .learning_rate = 1e-5, .warm_up = 10, .checkpoint_every = 200};
  app.add_option("FOLDER", recipe.start, "the model: config, weights, tokenizer, preprocessor")->required();
  app.add_option("DATA", recipe.data[0].path, "conversations: JSON lines, or another source")->required();
  app.add_option("OUT", recipe.out, "folder for checkpoints, logs and the finished model")->required();
  app.add_option("--train", parts, "the parts that learn: all, merger, decoder or merger,decoder")
      ->capture_default_str()
      ->check(CLI::IsMember({"all", "merger", "decoder", "merger,decoder"}));
  app.add_option("--validation", recipe.validation, "JSON lines that are scored and never learned from");
  app.add_option("--validate-every", recipe.validate_every, "steps between scores; 0: at the end")
      ->capture_default_str();
  app.add_option("--steps", recipe.steps, "updates")->capture_default_str();
  app.add_option("--context", recipe.context, "tokens of a packed micro-batch")->capture_default_str();
  app.add_option("--micro-batches", recipe.micro_batches, "micro-batches in a step")->capture_default_str();
  app.add_option("--learning-rate", recipe.learning_rate, "largest learning rate")->capture_default_str();
  app.add_option("--warm-up", recipe.warm_up, "steps of warm-up")->capture_default_str();
  app.add_option("--checkpoint-every", recipe.checkpoint_every, "steps between checkpoints")
      ->capture_default_str();
  app.add_option("--threads", recipe.threads, "0: one per processor")->capture_default_str();
  app.add_flag("--skip-bad-lines", recipe.skip_bad_lines,
               "leave out lines that cannot be used, and count them");
  app.add_flag("--skip-too-long", recipe.skip_too_long,
               "leave out conversations longer than the context, and count them");
  app.add_flag("--from-scratch", recipe.from_scratch, "draw the weights from a seed; FOLDER needs none then");
  return example::run(app, count, arguments, [&] { return train_parts(parts, recipe); });
}
