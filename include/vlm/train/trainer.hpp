// Trainer<Stage>: runs a stage. `step()` is one update and public, so that a loop of one's own is a `while`;
// `run()` goes on to the last step with progress, validation, checkpoints and a clean end on ctrl-C, and resumes what
// it finds in `out`.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <vlm/data/loader.hpp>
#include <vlm/model/flops.hpp>
#include <vlm/model/model.hpp>
#include <vlm/model/passes.hpp>
#include <vlm/ops/multiply_add_rate.hpp>
#include <vlm/train/checkpoint.hpp>
#include <vlm/train/memory_ledger.hpp>
#include <vlm/train/progress.hpp>
#include <vlm/train/recipe.hpp>
#include <vlm/train/run_state.hpp>
#include <vlm/train/run_steps.hpp>
#include <vlm/train/schedule.hpp>
#include <vlm/train/stages.hpp>
#include <vlm/train/validation.hpp>

namespace vlm {

template <class S, class Spec = Qwen3VL, class Device = Cpu, class Precision = F32>
class Trainer {
  static_assert(TrainingStage<S>, "vlm: the first argument of Trainer must derive from vlm::Stage<...>.");
  static_assert(std::is_same_v<Device, Cpu>,
                "vlm: Trainer has operations for the Cpu only so far; use Trainer<Stage, Spec, vlm::Cpu>.");

 public:
  using Net = Model<Spec, Device, Precision, typename S::Trains, typename S::KeepKind>;

  // Loads the start, or the newest checkpoint in `out`. Throws ConfigError where the recipe cannot be [recipe] or is not
  // that of the checkpoint [resume-recipe, resume-stage] or needs more memory than there is [memory], or the start's chat
  // template is not of the stage's format [answer-format], FileError where the checkpoint is damaged [checkpoint] or
  // another run has `out` [folder-in-use], and what reading models and data throws.
  explicit Trainer(Recipe recipe)
      : recipe_(checked(std::move(recipe))),
        folder_(recipe_.out, recipe_.checkpoints_kept),
        resumed_(folder_.newest()),
        ledger_(affordable_ledger()),
        net_(first_network<Net>(recipe_, folder_, resumed_)),
        flop_(net_),
        processor_(Processor::load(recipe_.start, S::FormatKind::variant)),
        loader_(recipe_.data, processor_, loader_settings(recipe_, S::context)),
        optimizer_(net_.parameters(), recipe_.adamw, recipe_.parts, recipe_.learning_rate),
        schedule_(rate_schedule(recipe_)),
        runtime_(recipe_.threads) {
    if (!recipe_.validation.empty()) validation_.emplace(recipe_.validation, processor_, recipe_.context);
    if (Spec::sparse && recipe_.balance_scope != BalanceScope::MicroBatch)
      expert_counts_.resize(static_cast<std::size_t>(net_.config().text.layers * net_.config().text.experts));
    if (resumed_) restore(folder_.path(*resumed_));
    runtime_.plan([&] {
      optimizer_.gradient_norm(runtime_);
      optimizer_.value_norm(runtime_);
      optimizer_.update(runtime_, 1, 0, 0);
    });
  }

  Net& net() { return net_; }
  const Recipe& recipe() const { return recipe_; }
  Index steps_done() const { return state_.step; }

  // One update from the next micro-batches. The loss's divisor counts the supervised tokens of the whole step. A step
  // whose loss or gradient is not finite updates nothing; it is reported as skipped. Throws DataError for a line that
  // cannot be used, and where more such steps follow each other than the recipe allows [diverged].
  Report step() {
    const auto start = Clock::now();
    loader_.next_step(batches_, S::LossKind::power);
    Report report{
        .step = state_.step + 1, .learning_rate = schedule_(state_.step + 1), .waited = seconds_since(start)};
    net_.zero_gradients();
    for (const Batch& batch : batches_) {
      make_room(batch);
      report.tokens += batch.token_count();
      report.flop += flop_(batch);
      report.supervised += static_cast<Index>(batch.rows.size());
    }
    count_choices_ahead();
    double loss = 0;
    float balance = 0;
    for (const Batch& batch : batches_) {
      const bool counted = counts_ahead() && &batch != &batches_.front();
      set_balance(counted ? Counting::Done : Counting::Backward,
                  static_cast<float>(batch.token_count()) / static_cast<float>(report.tokens), &balance);
      run_training_pass(runtime_, net_, batch, tables_, loss);
    }
    report.loss = loss;
    report.balance = static_cast<double>(balance);
    report.gradient_norm = optimizer_.gradient_norm(runtime_);
    state_.count_step(report, recipe_.skipped_in_a_row);
    if (!report.skipped)
      optimizer_.update(runtime_, state_.updates(), report.learning_rate, report.gradient_norm);
    report.left_out = loader_.cursor().bad_lines + loader_.cursor().too_long;
    report.seconds = seconds_since(start);
    return report;
  }

  // The mean loss per supervised token of the recipe's validation file, which it must have.
  double validate() {
    if (!validation_)
      throw ConfigError("recipe", {{"setting", "validation"},
                                   {"expected", "a file of conversations to score"},
                                   {"got", "nothing"},
                                   {"try", "set it in the recipe"}});
    return validation_->mean_loss(runtime_, net_, tables_);
  }

  // Runs to the last step and writes out/model; on ctrl-C before that writes a checkpoint. Interrupted after any ctrl-C.
  RunEnd run() {
    if (!recipe_.quiet)
      std::fputs(ledger_text(ledger_, loader_settings(recipe_, S::context), machine_memory()).c_str(),
                 stderr);
    Progress progress(S::stage_name.view(), recipe_.steps, recipe_.report_every, recipe_.quiet,
                      recipe_.quiet ? 0 : multiply_add_rate(runtime_.queue()));
    const auto scored_step = [&] {
      Report report = step();
      if (validation_ && state_.is_due(recipe_.validate_every, recipe_.steps, true))
        report.validation = validate();
      return report;
    };
    return run_steps(
        recipe_, state_, progress, scored_step, [&] { save_checkpoint(); },
        [&](const std::string& path) { save_model(path); });
  }

  // Weights, optimizer, data cursor and counters in out/checkpoint-<step>.
  void save_checkpoint() {
    folder_.write(state_.step, [&](const std::string& path) {
      save_model(path);
      optimizer_.write(path + "/optimizer.safetensors");
      write_run_state(path, S::stage_name.view(), state_, recipe_, loader_);
    });
  }

 private:
  using Clock = std::chrono::steady_clock;
  using Counting = typename Balance<Device>::Counting;

  static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }
  // The recipe with the stage's context where it has none.
  static Recipe checked(Recipe recipe) {
    check_recipe(recipe);
    if (recipe.context == 0) recipe.context = S::context;
    return recipe;
  }
  // Refuses what this machine cannot hold.
  MemoryLedger affordable_ledger() const {
    const ModelConfig config = ModelConfig::load(recipe_.start);
    const LoaderSettings loader = loader_settings(recipe_, S::context);
    require_memory(memory_ledger<Net>(config, loader, 0, recipe_.threads), loader, machine_memory());
    return memory_ledger<Net>(config, loader, 0.5, recipe_.threads);
  }
  void save_model(const std::string& path) {
    state_.check_values(optimizer_.value_norm(runtime_));
    net_.save(path);
    copy_companions(recipe_.start, path);
  }
  void restore(const std::string& path) {
    state_ = read_run_state(path, S::stage_name.view(), recipe_, loader_);
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
    planned_.tokens = std::max(planned_.tokens, static_cast<std::size_t>(recipe_.context));
    const Batch bound = planned_.outline(static_cast<Index>(window));
    double loss = 0;
    float balance = 0;
    set_balance(Counting::Backward, 1, &balance);
    runtime_.plan([&] { run_training_pass(runtime_, net_, bound, tables_, loss); });
    if (counts_ahead()) runtime_.plan([&] { run_routing_pass(runtime_, net_, bound, tables_); });
  }

  // Whether the choices of later micro-batches are counted before the first one learns.
  bool counts_ahead() const {
    return Spec::sparse && Net::template trains<part::Decoder> && recipe_.balance > 0 &&
           recipe_.balance_scope == BalanceScope::Step;
  }
  // The first micro-batch counts its own on the way back, when it has those of the others.
  void count_choices_ahead() {
    std::fill(expert_counts_.begin(), expert_counts_.end(), 0);
    if (!counts_ahead()) return;
    set_balance(Counting::Forward, 0, nullptr);
    for (std::size_t i = 1; i < batches_.size(); ++i) run_routing_pass(runtime_, net_, batches_[i], tables_);
  }
  // A mean over layers and tokens, of which a batch has this share; added to `balance`.
  void set_balance(Counting counting, float share, float* balance) {
    const ModelConfig& config = net_.config();
    runtime_.balance() = {
        .coefficient = Spec::sparse ? recipe_.balance * share / static_cast<float>(config.text.layers) : 0.0f,
        .loss = {balance, Shape<1>{{1}}},
        .counts = {},
        .counting = counting};
    if (!expert_counts_.empty())
      runtime_.balance().counts = {expert_counts_.data(),
                                   Shape<2>{{config.text.layers, config.text.experts}}};
  }

  Recipe recipe_;
  CheckpointFolder folder_;
  std::optional<Index> resumed_;
  MemoryLedger ledger_;
  Net net_;
  TrainingFlop<Net> flop_;
  Processor processor_;
  std::optional<Validation> validation_;
  Loader loader_;
  AdamWOptimizer optimizer_;
  Schedule schedule_;
  Runtime<Device> runtime_;
  typename Net::RopeTables tables_;
  std::vector<Batch> batches_;
  BatchSizes planned_;
  std::vector<std::int64_t> expert_counts_;  // [layers, experts], choices in this step; or empty
  RunState state_;
};

}  // namespace vlm
