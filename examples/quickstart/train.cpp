// train STAGE START OUT DATA...: runs one stage of the quick start's recipe, as a user's own program would.
// test: train S1 {toy}/start out {toy}/data.jsonl --from-scratch --steps 5 --context 512
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <vlm/vlm.hpp>

#include "../command_line.hpp"

namespace {

using vlm::Recipe;

int status_of(vlm::RunEnd end) { return end == vlm::RunEnd::Finished ? 0 : 130; }

template <class Stage>
int run(const Recipe& recipe) {
  return status_of(vlm::Trainer<Stage>(recipe).run());
}

const std::map<std::string, std::function<int(const Recipe&)>> stages = {
    {"text-warm-up", run<vlm::TextWarmUp>},
    {"contrastive", [](const Recipe& recipe) { return status_of(vlm::ContrastiveTrainer<>(recipe).run()); }},
    {"S0", run<vlm::S0>},
    {"S1", run<vlm::S1>},
    {"S2", run<vlm::S2>},
    {"S3", run<vlm::S3>},
    {"SFT", run<vlm::SFT<vlm::NonThinking>>}};

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Runs one stage of the recipe. Ctrl-C saves; the same command goes on from there.");
  std::string stage;
  std::vector<std::string> data;
  Recipe recipe;
  recipe.context = 2048;
  recipe.learning_rate = 1e-3;
  app.add_option("STAGE", stage, "which stage")->required()->check(CLI::IsMember(stages));
  app.add_option("START", recipe.start, "folder of the model to start from")->required();
  app.add_option("OUT", recipe.out, "folder for checkpoints, the log and the finished model")->required();
  app.add_option("DATA", data, "JSONL files")->required();
  app.add_option("--steps", recipe.steps, "steps of the stage")->capture_default_str();
  app.add_option("--context", recipe.context, "tokens of a packed micro-batch")->capture_default_str();
  app.add_option("--micro-batches", recipe.micro_batches, "micro-batches in a step")->capture_default_str();
  app.add_option("--learning-rate", recipe.learning_rate, "largest learning rate")->capture_default_str();
  app.add_option("--end-rate", recipe.end_rate, "learning rate of the last step")->capture_default_str();
  app.add_option("--warm-up", recipe.warm_up, "steps of warm-up")->capture_default_str();
  app.add_option("--decay", recipe.adamw.decay, "weight decay of matrices")->capture_default_str();
  app.add_option("--checkpoint-every", recipe.checkpoint_every, "steps between checkpoints")
      ->capture_default_str();
  app.add_option("--report-every", recipe.report_every, "steps between lines of progress")
      ->capture_default_str();
  app.add_option("--seed", recipe.seed, "seed of data order and first weights")->capture_default_str();
  app.add_option("--threads", recipe.threads, "0: one per processor")->capture_default_str();
  app.add_flag("--from-scratch", recipe.from_scratch, "draw the first weights from the seed");
  return example::run(app, count, arguments, [&] {
    for (const std::string& path : data) recipe.data.push_back({.path = path});
    return stages.at(stage)(recipe);
  });
}
