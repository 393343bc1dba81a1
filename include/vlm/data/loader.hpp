// Loader: sources of conversations -> the packed and weighted micro-batches of one training step after the
// other. The order depends on files and seed alone; a saved cursor resumes it exactly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <vlm/core/error.hpp>
#include <vlm/data/mix.hpp>
#include <vlm/data/pack.hpp>
#include <vlm/data/processor.hpp>
#include <vlm/data/read_ahead.hpp>
#include <vlm/data/weights.hpp>
#include <vlm/io/json.hpp>
#include <vlm/model/batch.hpp>

namespace vlm {

struct LoaderSettings {
  Index context = 8192;     // tokens of one micro-batch at most
  Index micro_batches = 1;  // of a step
  std::uint64_t seed = 1;
  int threads = 1;                       // that prepare samples in the background
  int steps_ahead = 2;                   // how much they prepare
  Unusable bad_line = Unusable::Refuse;  // of all sources; Skip here or of its source leaves it out
  Unusable too_long = Unusable::Refuse;
};

// Where the stream stands: the next conversation is number `position` of epoch `epoch`.
struct Cursor {
  Index epoch = 0, position = 0;
  Index bad_lines = 0, too_long = 0;  // left out so far
  friend bool operator==(const Cursor&, const Cursor&) = default;
};

struct StepSize {
  Index samples = 0, tokens = 0, supervised_tokens = 0;
};

// One thread at a time; the processor must outlive the loader.
class Loader {
 public:
  Loader(const std::vector<Source>& sources, const Processor& processor, const LoaderSettings& settings)
      : processor_(&processor), settings_(settings), mix_(sources, settings.seed) {
    check_settings();
    memories_.resize(static_cast<std::size_t>(settings.threads));
    start();
  }

  // Fills the micro-batches of the next step, in memory that they have already where it suffices; their
  // weights are those of set_loss_weights. Epochs follow each other without a border. After an error the
  // loader stands where the step began.
  StepSize next_step(std::vector<Batch>& step, double alpha) {
    step.resize(static_cast<std::size_t>(settings_.micro_batches));
    Cursor next = cursor_;
    try {
      fill(step, next);
    } catch (...) {
      start();
      throw;
    }
    cursor_ = next;
    set_loss_weights({step.data(), step.size()}, alpha);
    return size_of(step);
  }

  const Cursor& cursor() const { return cursor_; }
  Index epoch_size() const { return mix_.epoch_size(); }

  Json save() const {
    return Json::object({{"epoch", cursor_.epoch},
                         {"position", cursor_.position},
                         {"bad_lines", cursor_.bad_lines},
                         {"too_long", cursor_.too_long},
                         {"seed", static_cast<std::int64_t>(mix_.seed())},
                         {"epoch_size", mix_.epoch_size()}});
  }

  // Continues where a loader of the same files, weights and seed was saved.
  void restore(const Json& saved) {
    expect(saved.at("seed"), static_cast<std::int64_t>(mix_.seed()));
    expect(saved.at("epoch_size"), mix_.epoch_size());
    const Cursor cursor{saved.at("epoch").integer(), saved.at("position").integer(),
                        saved.at("bad_lines").integer(), saved.at("too_long").integer()};
    const Index most_epochs = (Index{1} << 62) / mix_.epoch_size();
    if (cursor.epoch < 0 || cursor.epoch >= most_epochs || cursor.position < 0 ||
        cursor.position >= mix_.epoch_size())
      throw ConfigError("data-cursor",
                        {{"file", saved.document()},
                         {"expected", "a position below " + std::to_string(mix_.epoch_size()) +
                                          " in an epoch from 0 to " + std::to_string(most_epochs - 1)},
                         {"got", "position " + std::to_string(cursor.position) + " in epoch " +
                                     std::to_string(cursor.epoch)},
                         {"try", "another checkpoint: this file was changed"}});
    cursor_ = cursor;
    start();
  }

 private:
  void check_settings() const {
    const auto in_range = [](Index value, Index most) { return value >= 1 && value <= most; };
    if (in_range(settings_.context, 0x7fffffff) && in_range(settings_.micro_batches, 1 << 20) &&
        in_range(settings_.threads, 1024) && in_range(settings_.steps_ahead, 1024))
      return;
    throw ConfigError(
        "loader-settings",
        {{"expected",
          "context, micro_batches, threads and steps_ahead of at least 1, at most "
          "2147483647, 1048576, 1024 and 1024"},
         {"got", std::to_string(settings_.context) + ", " + std::to_string(settings_.micro_batches) + ", " +
                     std::to_string(settings_.threads) + ", " + std::to_string(settings_.steps_ahead)},
         {"try", "the values that LoaderSettings begins with"}});
  }

  void expect(const Json& saved, std::int64_t here) const {
    if (saved.integer() == here) return;
    throw ConfigError("data-cursor", {{"file", saved.document()},
                                      {"at", saved.path()},
                                      {"expected", std::to_string(here) + ", as in this run"},
                                      {"got", std::to_string(saved.integer())},
                                      {"try", "the files, weights and seed that the saved run had"}});
  }

  // Prepares samples from the cursor on.
  void start() {
    ahead_.reset();
    const Index budget = settings_.steps_ahead * settings_.micro_batches * settings_.context;
    ahead_.emplace(
        cursor_.epoch * mix_.epoch_size() + cursor_.position, settings_.threads, budget,
        [this](Index number, int worker, Sample& sample) {
          const Mix::Item item = mix_.item(number / mix_.epoch_size(), number % mix_.epoch_size());
          processor_->training_sample(mix_.conversation(item), sample,
                                      memories_[static_cast<std::size_t>(worker)]);
        },
        [](const Sample& sample) { return static_cast<Index>(sample.tokens.size()); });
  }

  void fill(std::vector<Batch>& step, Cursor& next) {
    Packer packer({step.data(), step.size()}, settings_.context, processor_->config());
    // More than the end of one epoch and the beginning of the next can have with a good one in each.
    const Index too_many = 2 * mix_.epoch_size() - 1;
    Index unusable = 0;  // in a row
    while (unusable < too_many) {
      const Sample* sample = front(next);
      const Packer::Place place = sample ? packer.add(*sample) : Packer::Place::TooLong;
      if (place == Packer::Place::StepFull) return;
      if (sample && place == Packer::Place::TooLong) leave_out(*sample, next);
      unusable = place == Packer::Place::Packed ? 0 : unusable + 1;
      ahead_->pop();
      if (++next.position == mix_.epoch_size()) next.position = 0, ++next.epoch;
    }
    throw DataError("data-empty",
                    {{"expected", "conversations that can be used"},
                     {"got", std::to_string(unusable) + " in a row that cannot"},
                     {"try", "Unusable::Refuse, which says what is wrong with the first of them"}});
  }

  // The next sample, or null for a bad line that is left out.
  const Sample* front(Cursor& next) {
    try {
      return &ahead_->front();
    } catch (const DataError&) {
      const std::size_t source = mix_.item(next.epoch, next.position).source;
      if (settings_.bad_line == Unusable::Refuse && mix_.bad_line(source) == Unusable::Refuse) throw;
      ++next.bad_lines;
      return nullptr;
    }
  }

  void leave_out(const Sample& sample, Cursor& next) const {
    ++next.too_long;
    if (settings_.too_long == Unusable::Skip) return;
    const Mix::Item item = mix_.item(next.epoch, next.position);
    detail::throw_data_line(mix_.file(item.source).place(item.line), "messages",
                            "at most the context of " + std::to_string(settings_.context) + " tokens",
                            std::to_string(sample.tokens.size()),
                            "a longer context, or skip_too_long in the recipe (LoaderSettings::too_long)");
  }

  static StepSize size_of(const std::vector<Batch>& step) {
    StepSize size;
    for (const Batch& batch : step) {
      size.samples += batch.sample_count();
      size.tokens += batch.token_count();
      size.supervised_tokens += static_cast<Index>(batch.targets.size());
    }
    return size;
  }

  const Processor* processor_;
  LoaderSettings settings_;
  Mix mix_;
  Cursor cursor_;
  std::vector<Processor::Memory> memories_;  // of each thread
  std::optional<ReadAhead<Sample>> ahead_;   // last: its threads use what stands above
};

}  // namespace vlm
