// parity FOLDER REFERENCE.safetensors: runs a model on the inputs of a reference file and compares every stage, from
// the patch embedding to the logits and the gradients. Exit status 1 where a stage differs by more than the tolerance.
// vlm/model/reference.hpp says what the file holds; tests/golden/make_reference.py makes such files with transformers.
// test: parity {toy}/../golden/tiny {toy}/../golden/tiny/reference.safetensors --json table.json
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include <vlm/vlm.hpp>

#include "command_line.hpp"

namespace {

struct Options {
  std::string folder, reference, json;
  double tolerance = 1e-4;
  int threads = 0;
};

// JSON has no infinity: null stands for it.
vlm::Json number(double value) { return std::isfinite(value) ? vlm::Json(value) : vlm::Json(); }

vlm::Json as_json(const vlm::ParityReport& report) {
  vlm::Json stages = vlm::Json::array();
  for (const vlm::StageDifference& stage : report.stages)
    stages.push_back(vlm::Json::object(
        {{"stage", stage.stage}, {"largest", number(stage.largest)}, {"relative", number(stage.relative)}}));
  return stages;
}

int print(const vlm::ParityReport& report, const Options& options) {
  int width = 5;
  for (const vlm::StageDifference& stage : report.stages)
    width = std::max(width, static_cast<int>(stage.stage.size()));
  std::printf("%-*s  %10s  %10s\n", width, "stage", "largest", "relative");
  for (const vlm::StageDifference& stage : report.stages)
    std::printf("%-*s  %10.2e  %10.2e%s\n", width, stage.stage.c_str(), stage.largest, stage.relative,
                stage.relative <= options.tolerance ? "" : "  over");
  for (const std::string& name : report.not_compared) std::printf("not compared: %s\n", name.c_str());
  const vlm::StageDifference* first = report.first_over(options.tolerance);
  if (first)
    std::printf("first stage over %g: %s\n", options.tolerance, first->stage.c_str());
  else
    std::printf("no stage over %g\n", options.tolerance);
  return first ? 1 : 0;
}

int compare(const Options& options) {
  const vlm::Reference reference(options.reference, vlm::ModelConfig::load(options.folder));
  const auto run = [&](auto& net) { return vlm::compare_with_reference(net, reference, options.threads); };
  const vlm::ParityReport report =
      reference.has_gradients()
          ? vlm::with_model<vlm::Cpu, vlm::F32, vlm::Trainable<vlm::part::All>>(options.folder, run)
          : vlm::with_model(options.folder, run);
  if (!options.json.empty())
    vlm::write_file_atomically(options.json, vlm::write_json(as_json(report), 2) + "\n");
  return print(report, options);
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Compares every stage of a model with a reference, and names the first that differs.");
  Options options;
  app.add_option("FOLDER", options.folder, "the model: config.json and weights")->required();
  app.add_option("REFERENCE", options.reference, "safetensors file of inputs and results")->required();
  app.add_option("--tolerance", options.tolerance, "largest relative difference of a stage")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--json", options.json, "file for the table");
  app.add_option("--threads", options.threads, "0: one per processor")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  return example::run(app, count, arguments, [&] { return compare(options); });
}
