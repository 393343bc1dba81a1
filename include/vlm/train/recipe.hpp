// Recipe: the run-time settings of a stage; everything that is only a default value.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/data/mix.hpp>
#include <vlm/train/optimizer.hpp>

namespace vlm {

struct Recipe {
  std::string start{};         // folder to start from: config.json, tokenizer.json, weights
  std::vector<Source> data{};  // JSONL files of conversations, each with its weight
  std::string out{};           // checkpoints, log.jsonl, and the finished model in out/model
  Index steps = 100;
  Index context = 0;        // tokens of a packed micro-batch; 0 takes the stage's
  Index micro_batches = 1;  // packed micro-batches in a step
  double learning_rate = 2e-5, end_rate = 0;
  Index warm_up = 0;  // steps
  AdamWSettings adamw{};
  float balance = 1e-3f;  // times the mean balance loss of the layers (1 when uniform); sparse only
  std::uint64_t seed = 1;
  bool from_scratch = false;   // draw first values from the seed instead of reading weights from `start`
  Index checkpoint_every = 0;  // steps; 0 for none before the end
  Index report_every = 10;     // steps between lines of progress
  int threads = 0;             // 0 for one per processor
  bool quiet = false;          // no progress on standard error
};

// Throws ConfigError [recipe] that names the first setting that cannot be.
inline void check_recipe(const Recipe& recipe) {
  const auto need = [](bool fine, const char* setting, const char* expected, std::string got) {
    if (!fine)
      throw ConfigError("recipe", {{"setting", setting}, {"expected", expected}, {"got", std::move(got)}});
  };
  need(!recipe.start.empty(), "start", "a model folder", "nothing");
  need(!recipe.data.empty(), "data", "at least one JSONL file", "none");
  need(!recipe.out.empty(), "out", "a folder for results", "nothing");
  need(recipe.steps > 0, "steps", "1 or more", std::to_string(recipe.steps));
  need(recipe.context >= 0, "context", "0 or more tokens", std::to_string(recipe.context));
  need(recipe.micro_batches > 0, "micro_batches", "1 or more", std::to_string(recipe.micro_batches));
  const auto finite = [](double value) { return value >= 0 && std::isfinite(value); };
  const auto share = [](double value) { return value >= 0 && value < 1; };
  const AdamWSettings& adamw = recipe.adamw;
  need(recipe.learning_rate > 0 && finite(recipe.learning_rate), "learning_rate", "a positive rate",
       std::to_string(recipe.learning_rate));
  need(finite(recipe.end_rate), "end_rate", "0 or more", std::to_string(recipe.end_rate));
  need(share(adamw.beta1), "adamw.beta1", "from 0 to below 1", std::to_string(adamw.beta1));
  need(share(adamw.beta2), "adamw.beta2", "from 0 to below 1", std::to_string(adamw.beta2));
  need(adamw.eps > 0 && finite(adamw.eps), "adamw.eps", "a positive number", std::to_string(adamw.eps));
  need(finite(adamw.decay), "adamw.decay", "0 or more", std::to_string(adamw.decay));
  need(finite(adamw.clip), "adamw.clip", "0 (none) or more", std::to_string(adamw.clip));
  need(finite(recipe.balance), "balance", "0 or more", std::to_string(recipe.balance));
  need(recipe.threads >= 0 && recipe.threads <= 1024, "threads", "from 0 (one per processor) to 1024",
       std::to_string(recipe.threads));
  need(recipe.warm_up >= 0, "warm_up", "0 or more steps", std::to_string(recipe.warm_up));
  need(recipe.checkpoint_every >= 0, "checkpoint_every", "0 or more steps",
       std::to_string(recipe.checkpoint_every));
  need(recipe.report_every > 0, "report_every", "1 or more steps", std::to_string(recipe.report_every));
}

}  // namespace vlm
