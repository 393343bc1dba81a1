// The loop of a run, which the trainers share: what is logged, when a checkpoint is due, and how a run ends.
#pragma once

#include <cstdint>
#include <string>

#include <vlm/io/folder.hpp>
#include <vlm/train/event_file.hpp>
#include <vlm/train/interrupt.hpp>
#include <vlm/train/progress.hpp>
#include <vlm/train/recipe.hpp>
#include <vlm/train/run_state.hpp>

namespace vlm {

enum class RunEnd : std::uint8_t { Finished, Interrupted };

// Calls step(), a Report, until the last step of the recipe is done, and save_model(folder) for out/model then. Calls
// save_checkpoint() every `checkpoint_every` steps but after the last; and on ctrl-C, which ends the run before that.
// Interrupted after any ctrl-C, also one that came too late to end it.
template <class Step, class SaveCheckpoint, class SaveModel>
RunEnd run_steps(const Recipe& recipe, const RunState& state, Progress& progress, Step&& step,
                 SaveCheckpoint&& save_checkpoint, SaveModel&& save_model) {
  const Interrupt interrupt;
  StepLog log(recipe.out + "/log.jsonl", state.step);
  EventFile events(recipe.out, state.step);
  while (state.step < recipe.steps) {
    const Report report = step();
    log.add(report);
    events.add(report);
    progress.show(report);
    const bool stop = interrupt.requested() && state.step < recipe.steps;
    if (stop || state.is_due(recipe.checkpoint_every, recipe.steps, false)) save_checkpoint();
    if (stop) return RunEnd::Interrupted;
  }
  write_folder_atomically(recipe.out + "/model", save_model);
  return interrupt.requested() ? RunEnd::Interrupted : RunEnd::Finished;
}

}  // namespace vlm
