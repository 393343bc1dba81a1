// Trainer<Stage>: runs a stage. `step()` is one update and public, so that a loop of one's own is a `while`;
// `run()` goes on to the last step with progress, checkpoints and a clean end on ctrl-C, and resumes what it
// finds in `out`.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <vlm/data/loader.hpp>
#include <vlm/model/model.hpp>
#include <vlm/model/passes.hpp>
#include <vlm/train/checkpoint.hpp>
#include <vlm/train/interrupt.hpp>
#include <vlm/train/progress.hpp>
#include <vlm/train/recipe.hpp>
#include <vlm/train/schedule.hpp>
#include <vlm/train/stages.hpp>

namespace vlm {

enum class RunEnd { Finished, Interrupted };

template <class S, class Spec = Qwen3VL, class Device = Cpu, class Precision = F32>
class Trainer {
  static_assert(TrainingStage<S>, "vlm: the first argument of Trainer must derive from vlm::Stage<...>.");
  static_assert(std::is_same_v<Device, Cpu>,
                "vlm: Trainer has operations for the Cpu only so far; use Trainer<Stage, Spec, vlm::Cpu>.");

 public:
  using Net = Model<Spec, Device, Precision, typename S::Trains, typename S::KeepKind>;

  // Loads the start, or the newest checkpoint in `out`. Throws ConfigError where the recipe cannot be [recipe] or is not
  // that of the checkpoint [resume-recipe, resume-stage], FileError where the checkpoint is damaged [checkpoint], and
  // what reading models and data throws.
  explicit Trainer(Recipe recipe)
      : recipe_(checked(std::move(recipe))),
        folder_(recipe_.out),
        resumed_(latest_checkpoint()),
        net_(first_network()),
        processor_(Processor::load(recipe_.start)),
        loader_(recipe_.data, processor_, loader_settings()),
        optimizer_(net_.parameters(), recipe_.adamw),
        schedule_{.peak = recipe_.learning_rate,
                  .end = recipe_.end_rate,
                  .warm_up = recipe_.warm_up,
                  .steps = recipe_.steps},
        runtime_(recipe_.threads) {
    if (resumed_) restore(folder_.path(*resumed_));
    runtime_.plan([&] {
      optimizer_.gradient_norm(runtime_);
      optimizer_.value_norm(runtime_);
      optimizer_.update(runtime_, 1, 0, 0);
    });
  }

  Net& net() { return net_; }
  const Recipe& recipe() const { return recipe_; }
  Index steps_done() const { return step_; }

  // One update from the next micro-batches. The loss's divisor counts the supervised tokens of the whole step.
  // Throws DataError for a line that cannot be used, and where loss or gradient are not finite [diverged].
  Report step() {
    const auto start = std::chrono::steady_clock::now();
    loader_.next_step(batches_, S::LossKind::power);
    net_.zero_gradients();
    Report report{.step = step_ + 1};
    double loss = 0;
    float balance = 0;
    for (const Batch& batch : batches_) {
      make_room(batch);
      pass(batch, loss, balance);
      report.tokens += batch.token_count();
      report.supervised += static_cast<Index>(batch.rows.size());
    }
    report.loss = loss;
    report.balance = static_cast<double>(balance);
    report.gradient_norm = optimizer_.gradient_norm(runtime_);
    report.learning_rate = schedule_(step_ + 1);
    if (!std::isfinite(loss) || !std::isfinite(report.gradient_norm))
      throw DataError("diverged", {{"at", "step " + std::to_string(step_ + 1)},
                                   {"expected", "a finite loss and gradient"},
                                   {"got", "loss " + std::to_string(loss) + ", gradient norm " +
                                               std::to_string(report.gradient_norm)},
                                   {"try", "a smaller learning rate; the last checkpoint is whole"}});
    optimizer_.update(runtime_, step_ + 1, report.learning_rate, report.gradient_norm);
    ++step_;
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report;
  }

  // Runs to the last step and writes out/model; on ctrl-C writes a checkpoint and returns Interrupted.
  RunEnd run() {
    const Interrupt interrupt;
    Progress progress(S::stage_name.view(), recipe_.steps, recipe_.report_every, recipe_.quiet);
    StepLog log(recipe_.out + "/log.jsonl", step_);
    while (step_ < recipe_.steps) {
      const Report report = step();
      log.add(report);
      progress.show(report);
      const bool stop = interrupt.requested();
      if (step_ < recipe_.steps &&
          (stop || (recipe_.checkpoint_every > 0 && step_ % recipe_.checkpoint_every == 0)))
        save_checkpoint();
      if (stop && step_ < recipe_.steps) return RunEnd::Interrupted;
    }
    write_folder_atomically(recipe_.out + "/model", [&](const std::string& path) { save_model(path); });
    return interrupt.requested() ? RunEnd::Interrupted : RunEnd::Finished;
  }

  void save_checkpoint() {
    folder_.write(step_, [&](const std::string& path) {
      save_model(path);
      optimizer_.write(path + "/optimizer.safetensors");
      Json state = Json::object();
      state.set("stage", S::stage_name.view());
      state.set("step", step_);
      state.set("recipe", recipe_settings());
      state.set("loader", loader_.save());
      write_file_atomically(path + "/trainer.json", write_json(state, 2));
    });
  }

 private:
  static Recipe checked(Recipe recipe) {
    check_recipe(recipe);
    return recipe;
  }
  std::optional<Index> latest_checkpoint() const {
    const std::vector<Index> steps = folder_.steps();
    if (steps.empty()) return std::nullopt;
    folder_.verify(steps.back());
    return steps.back();
  }
  Net first_network() const {
    if (resumed_) return Net::load(folder_.path(*resumed_));
    return recipe_.from_scratch ? Net::make(ModelConfig::load(recipe_.start), recipe_.seed)
                                : Net::load(recipe_.start);
  }
  LoaderSettings loader_settings() const {
    return {.context = recipe_.context > 0 ? recipe_.context : S::context,
            .micro_batches = recipe_.micro_batches,
            .seed = recipe_.seed};
  }
  // Nothing is saved that holds a number which is none.
  void check_values() {
    if (!std::isfinite(optimizer_.value_norm(runtime_)))
      throw DataError("diverged", {{"at", "step " + std::to_string(step_)},
                                   {"expected", "finite weights"},
                                   {"try", "a smaller learning rate; the last checkpoint is whole"}});
  }
  // What must not change between the halves of an interrupted run.
  Json recipe_settings() const {
    const AdamWSettings& adamw = recipe_.adamw;
    return Json::object({{"steps", recipe_.steps},
                         {"context", loader_settings().context},
                         {"micro_batches", recipe_.micro_batches},
                         {"learning_rate", recipe_.learning_rate},
                         {"end_rate", recipe_.end_rate},
                         {"warm_up", recipe_.warm_up},
                         {"beta1", adamw.beta1},
                         {"beta2", adamw.beta2},
                         {"eps", adamw.eps},
                         {"decay", adamw.decay},
                         {"clip", adamw.clip},
                         {"balance", static_cast<double>(recipe_.balance)}});
  }
  void save_model(const std::string& path) {
    check_values();
    net_.save(path);
    copy_companions(recipe_.start, path);
  }
  void restore(const std::string& path) {
    const Json state = parse_json(read_file(path + "/trainer.json"), path + "/trainer.json");
    if (state.at("stage").string() != S::stage_name.view())
      throw ConfigError("resume-stage", {{"folder", path},
                                         {"expected", std::string(S::stage_name.view())},
                                         {"got", state.at("stage").string()},
                                         {"try", "another `out` for another stage"}});
    const Json settings = recipe_settings();
    for (const auto& [name, here] : settings.members()) {
      const Json& saved = state.at("recipe").at(name);
      if (saved.number() != here.number())
        throw ConfigError("resume-recipe",
                          {{"folder", path},
                           {"setting", name},
                           {"expected", write_json(saved) + ", as in the run that is resumed"},
                           {"got", write_json(here)},
                           {"try", "the recipe of that run, or another `out`"}});
    }
    step_ = state.at("step").integer();
    loader_.restore(state.at("loader"));
    optimizer_.read(path + "/optimizer.safetensors");
  }

  // Measures a pass over a batch of the largest sizes met so far, with a margin, and reserves what it needs.
  void make_room(const Batch& batch) {
    const BatchSizes sizes = BatchSizes::of(batch);
    if (planned_.covers(sizes)) return;
    planned_ = planned_.merged(sizes);
    for (std::size_t* size : {&planned_.samples, &planned_.patches, &planned_.segments, &planned_.rows})
      *size += *size / 4;
    const auto window =
        static_cast<std::size_t>(net_.config().vision.merge_size * net_.config().vision.merge_size);
    planned_.patches = (planned_.patches + window - 1) / window * window;
    planned_.tokens = std::max(planned_.tokens, static_cast<std::size_t>(loader_settings().context));
    const Batch bound = planned_.outline(static_cast<Index>(window));
    double loss = 0;
    float balance = 0;
    runtime_.plan([&] { pass(bound, loss, balance); });
  }

  // Forward, loss and backward of one packed batch; adds to the gradients.
  void pass(const Batch& batch, double& loss, float& balance) {
    // The mean over layers and micro-batches.
    const Index parts = net_.config().text.layers * recipe_.micro_batches;
    runtime_.balance() = {.coefficient = Spec::sparse ? recipe_.balance / static_cast<float>(parts) : 0.0f,
                          .loss = {&balance, Shape<1>{{1}}}};
    run_training_pass(runtime_, net_, batch, tables_, loss);
  }

  Recipe recipe_;
  CheckpointFolder folder_;
  std::optional<Index> resumed_;
  Net net_;
  Processor processor_;
  Loader loader_;
  AdamWOptimizer optimizer_;
  CosineSchedule schedule_;
  Runtime<Device> runtime_;
  typename Net::RopeTables tables_;
  std::vector<Batch> batches_;
  BatchSizes planned_;
  Index step_ = 0;
};

}  // namespace vlm
