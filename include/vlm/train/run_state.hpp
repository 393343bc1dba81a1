// What the trainers have in common: the parts that they make from a recipe, and the state of a run in its checkpoints.
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include <vlm/core/error.hpp>
#include <vlm/data/loader.hpp>
#include <vlm/io/file.hpp>
#include <vlm/io/json.hpp>
#include <vlm/model/config.hpp>
#include <vlm/train/checkpoint.hpp>
#include <vlm/train/progress.hpp>
#include <vlm/train/recipe.hpp>
#include <vlm/train/schedule.hpp>

namespace vlm {

// `context`: that of the stage, taken where the recipe has none.
inline LoaderSettings loader_settings(const Recipe& recipe, Index context) {
  const auto unusable = [](bool skip) { return skip ? Unusable::Skip : Unusable::Refuse; };
  return {.context = recipe.context > 0 ? recipe.context : context,
          .micro_batches = recipe.micro_batches,
          .seed = recipe.seed,
          .threads = recipe.loader_threads,
          .bad_line = unusable(recipe.skip_bad_lines),
          .too_long = unusable(recipe.skip_too_long)};
}

inline Schedule rate_schedule(const Recipe& recipe) {
  return {.peak = recipe.learning_rate,
          .end = recipe.end_rate,
          .warm_up = recipe.warm_up,
          .steps = recipe.steps,
          .shape = recipe.rate_shape};
}

// The network that a run begins with: that of the checkpoint that it resumes, a random one, or the start.
template <class Net>
Net first_network(const Recipe& recipe, const CheckpointFolder& folder, std::optional<Index> resumed) {
  if (resumed) return Net::load(folder.path(*resumed));
  return recipe.from_scratch ? Net::make(ModelConfig::load(recipe.start), recipe.seed)
                             : Net::load(recipe.start);
}

// Counters that a run goes on with. Weights and optimizer stand beside them in files of their own; all randomness is a
// function of the seed and these.
struct RunState {
  Index step = 0;
  Index skipped = 0, skipped_in_a_row = 0;

  Index updates() const { return step - skipped; }
  // Whether something done every so many of the `steps` is due after this one; 0: never. The last step counts as `at_end`.
  bool is_due(Index every, Index steps, bool at_end) const {
    return step == steps ? at_end : every > 0 && step % every == 0;
  }

  // Counts a step and says in its report whether it updates nothing, since its loss or gradient is not finite. Throws
  // DataError [diverged] where more such steps follow each other than `allowed`; the step does not count then.
  void count_step(Report& report, Index allowed) {
    report.skipped = !std::isfinite(report.loss) || !std::isfinite(report.gradient_norm);
    const Index in_a_row = report.skipped ? skipped_in_a_row + 1 : 0;
    if (in_a_row > allowed)
      throw DataError("diverged", {{"at", "step " + std::to_string(report.step)},
                                   {"expected", "a finite loss and gradient in one of " +
                                                    std::to_string(in_a_row) + " steps"},
                                   {"got", "loss " + std::to_string(report.loss) + ", gradient norm " +
                                               std::to_string(report.gradient_norm)},
                                   {"try", "a smaller learning rate; the last checkpoint is whole"}});
    skipped += report.skipped;
    skipped_in_a_row = in_a_row;
    report.skipped_steps = skipped;
    ++step;
  }

  // Throws DataError [diverged] where the norm of the weights is not finite: nothing is saved that holds such a number.
  void check_values(double norm) const {
    if (std::isfinite(norm)) return;
    throw DataError("diverged", {{"at", "step " + std::to_string(step)},
                                 {"expected", "finite weights"},
                                 {"try", "a smaller learning rate; the last checkpoint is whole"}});
  }
};

// Writes trainer.json into the folder of a checkpoint.
inline void write_run_state(const std::string& folder, std::string_view stage, const RunState& state,
                            const Recipe& recipe, const Loader& loader) {
  Json json = Json::object();
  json.set("stage", stage);
  json.set("step", state.step);
  json.set("skipped", state.skipped);
  json.set("skipped_in_a_row", state.skipped_in_a_row);
  json.set("recipe", recipe_json(recipe));
  json.set("loader", loader.save());
  write_file_atomically(folder + "/trainer.json", write_json(json, 2));
}

// Reads it, and sends the loader to where it stood. Throws ConfigError where the run was of another stage
// [resume-stage], of another recipe [resume-recipe] or of other data [data-cursor].
inline RunState read_run_state(const std::string& folder, std::string_view stage, const Recipe& recipe,
                               Loader& loader) {
  const Json json = parse_json(read_file(folder + "/trainer.json"), folder + "/trainer.json");
  if (json.at("stage").string() != stage)
    throw ConfigError("resume-stage", {{"folder", folder},
                                       {"expected", std::string(stage)},
                                       {"got", json.at("stage").string()},
                                       {"try", "another `out` for another stage"}});
  check_resumed_recipe(json.at("recipe"), recipe, folder);
  loader.restore(json.at("loader"));
  return {json.at("step").integer(), json.at("skipped").integer(), json.at("skipped_in_a_row").integer()};
}

}  // namespace vlm
