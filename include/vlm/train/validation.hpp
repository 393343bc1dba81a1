// Validation: the mean loss per supervised token of a file that is never learned from, whatever the loss of the stage.
#pragma once

#include <span>
#include <string>

#include <vlm/core/error.hpp>
#include <vlm/data/jsonl.hpp>
#include <vlm/data/pack.hpp>
#include <vlm/data/processor.hpp>
#include <vlm/model/batch.hpp>
#include <vlm/model/passes.hpp>

namespace vlm {

// The processor must outlive it.
class Validation {
 public:
  // `context`: tokens of a packed batch. Throws FileError for a file that cannot be read, DataError [data-empty] for one
  // without lines.
  Validation(const std::string& path, const Processor& processor, Index context)
      : file_(path), processor_(&processor), context_(context) {
    if (file_.size() == 0)
      throw DataError("data-empty", {{"file", path},
                                     {"expected", "at least one conversation to score"},
                                     {"got", "none"},
                                     {"try", "a file with conversations"}});
  }

  // Scores all lines in their order, with nothing kept and no gradient touched. Between steps only, since it may grow
  // the runtime's memory. Throws DataError for a line that cannot be used [data-line].
  template <class Net>
  double mean_loss(Runtime<typename Net::Device>& s, const Net& net, typename Net::RopeTables& tables) {
    double sum = 0;
    Index count = 0;
    const auto score = [&] {
      s.plan([&] { run_loss_pass(s, net, batch_, tables, sum); });
      run_loss_pass(s, net, batch_, tables, sum);
      count += static_cast<Index>(batch_.rows.size());
    };
    Packer packer(std::span(&batch_, 1), context_, processor_->config());
    for (Index line = 0; line < file_.size(); ++line) {
      processor_->training_sample(file_.conversation(line), sample_, memory_);
      Packer::Place place = packer.add(sample_);
      if (place == Packer::Place::StepFull) {
        score();
        batch_.clear();
        place = packer.add(sample_);
      }
      if (place == Packer::Place::TooLong)
        detail::throw_data_line(file_.place(line), "messages",
                                "at most the context of " + std::to_string(context_) + " tokens",
                                std::to_string(sample_.tokens.size()), "a longer context");
    }
    score();
    return count > 0 ? sum / static_cast<double>(count) : 0;
  }

 private:
  JsonlFile file_;
  const Processor* processor_;
  Index context_;
  Sample sample_;
  Processor::Memory memory_;
  Batch batch_;
};

}  // namespace vlm
