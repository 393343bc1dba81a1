// Recipe: the run-time settings of a stage; everything that is only a default value. Filled in a program, or from a
// JSON file by Recipe::load (train/recipe_file.hpp).
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/core/shape.hpp>
#include <vlm/data/mix.hpp>
#include <vlm/train/optimizer.hpp>
#include <vlm/train/schedule.hpp>

namespace vlm {

// Over what the choices of experts are counted for the balance loss: each micro-batch alone; the step so far, which lets
// experts specialise and costs nothing, but differs for the first and the last micro-batch; or the whole step, so that
// its loss and gradients are those of one large batch, for one more forward pass of each micro-batch but the first. The
// last two are the same for a step of one micro-batch.   Source of both: Qiu et al., 2025 (arXiv 2501.11873).
enum class BalanceScope : std::uint8_t { MicroBatch, StepSoFar, Step };

struct Recipe {
  std::string start{};         // folder to start from: config.json, tokenizer.json, weights
  std::vector<Source> data{};  // of conversations, each with its weight
  std::string validation{};    // JSON lines, or an array, that are scored and never learned from; or none
  std::string out{};           // checkpoints, log.jsonl, and the finished model in out/model
  Index steps = 100;
  Index context = 0;        // tokens of a packed micro-batch; 0 takes the stage's
  Index micro_batches = 1;  // packed micro-batches in a step
  double learning_rate = 2e-5, end_rate = 0;
  Index warm_up = 0;  // steps
  RateShape rate_shape = RateShape::Cosine;
  AdamWSettings adamw{};
  PartsSettings parts{};
  float balance = 1e-3f;  // times the mean balance loss of layers and tokens (1 when uniform); sparse only
  BalanceScope balance_scope = BalanceScope::StepSoFar;
  std::uint64_t seed = 1;
  bool from_scratch = false;    // draw first values from the seed instead of reading weights from `start`
  Index checkpoint_every = 0;   // steps; 0 for none but on ctrl-C
  Index checkpoints_kept = 2;   // older ones are removed
  Index validate_every = 0;     // steps; 0 for after the last alone
  Index skipped_in_a_row = 5;   // steps without a finite loss and gradient that may follow each other
  Index report_every = 10;      // steps between lines of progress
  bool skip_bad_lines = false;  // lines that cannot be used are left out and counted, not an error
  bool skip_too_long = false;   // and so are conversations longer than the context
  int loader_threads = 1;       // that prepare samples
  int threads = 0;              // that compute; 0 for one per processor
  bool quiet = false;           // no progress on standard error

  static Recipe load(const std::string& path);
};

// Throws ConfigError [recipe] that names the first value that cannot be, and `file` where it is from one.
inline void check_recipe_values(const Recipe& recipe, const std::string& file = "") {
  const auto need = [&](bool fine, std::string_view setting, std::string_view expected, std::string got) {
    if (!fine)
      throw ConfigError("recipe", {{"file", file},
                                   {"setting", std::string(setting)},
                                   {"expected", std::string(expected)},
                                   {"got", std::move(got)},
                                   {"try", "a value of those, or leaving the setting out"}});
  };
  const auto at_least = [&](auto value, std::string_view setting, Index least, std::string_view unit) {
    need(static_cast<Index>(value) >= least, setting,
         std::to_string(least) + " or more" + (unit.empty() ? "" : " " + std::string(unit)),
         std::to_string(value));
  };
  const auto not_negative = [&](double value, std::string_view setting) {
    need(value >= 0 && std::isfinite(value), setting, "0 or more", std::to_string(value));
  };
  at_least(recipe.steps, "steps", 1, "");
  at_least(recipe.context, "context", 0, "tokens");
  at_least(recipe.micro_batches, "micro_batches", 1, "");
  need(recipe.learning_rate > 0 && std::isfinite(recipe.learning_rate), "learning_rate", "a positive rate",
       std::to_string(recipe.learning_rate));
  not_negative(recipe.end_rate, "end_rate");
  at_least(recipe.warm_up, "warm_up", 0, "steps");
  const AdamWSettings& adamw = recipe.adamw;
  for (const auto& [value, setting] : {std::pair{adamw.beta1, "adamw.beta1"}, {adamw.beta2, "adamw.beta2"}})
    need(value >= 0 && value < 1, setting, "from 0 to below 1", std::to_string(value));
  need(adamw.eps > 0 && std::isfinite(adamw.eps), "adamw.eps", "a positive number",
       std::to_string(adamw.eps));
  not_negative(adamw.decay, "adamw.decay");
  need(adamw.clip >= 0 && std::isfinite(adamw.clip), "adamw.clip", "0 (none) or more",
       std::to_string(adamw.clip));
  recipe.parts.for_each([&](std::string_view name, const PartSettings& part) {
    const std::string path = "parts." + std::string(name);
    not_negative(part.learning_rate.value_or(0), path + ".learning_rate");
    not_negative(part.decay.value_or(0), path + ".decay");
  });
  not_negative(static_cast<double>(recipe.balance), "balance");
  need(recipe.seed < std::uint64_t{1} << 63, "seed", "from 0 to 9223372036854775807",
       std::to_string(recipe.seed));
  at_least(recipe.checkpoint_every, "checkpoint_every", 0, "steps");
  at_least(recipe.checkpoints_kept, "checkpoints_kept", 1, "");
  at_least(recipe.validate_every, "validate_every", 0, "steps");
  at_least(recipe.skipped_in_a_row, "skipped_in_a_row", 0, "steps");
  at_least(recipe.report_every, "report_every", 1, "steps");
  need(recipe.loader_threads >= 1 && recipe.loader_threads <= 1024, "loader_threads", "from 1 to 1024",
       std::to_string(recipe.loader_threads));
  need(recipe.threads >= 0 && recipe.threads <= 1024, "threads", "from 0 (one per processor) to 1024",
       std::to_string(recipe.threads));
}

// Throws ConfigError [recipe] that names the first setting that is missing or cannot be.
inline void check_recipe(const Recipe& recipe) {
  const auto need = [](bool fine, std::string_view setting, std::string_view expected) {
    if (!fine)
      throw ConfigError("recipe", {{"setting", std::string(setting)},
                                   {"expected", std::string(expected)},
                                   {"got", "nothing"},
                                   {"try", "setting it in the recipe"}});
  };
  need(!recipe.start.empty(), "start", "a model folder");
  need(!recipe.data.empty(), "data", "at least one source of conversations");
  need(!recipe.out.empty(), "out", "a folder for results");
  need(recipe.validate_every == 0 || !recipe.validation.empty(), "validation",
       "a file of conversations, since validate_every is set");
  check_recipe_values(recipe);
}

}  // namespace vlm

#include <vlm/train/recipe_file.hpp>
