// custom_stage START DATA OUT: a stage that no recipe has. The decoder alone learns, every conversation weighs the same
// whatever its length, and blocks keep their inputs only, which takes less memory and more time.
// test: custom_stage {toy}/start {toy}/data.jsonl out --steps 5 --from-scratch
#include <cstdio>
#include <string>

#include <vlm/vlm.hpp>

#include "command_line.hpp"

struct Manners : vlm::Stage<"manners", vlm::Trainable<vlm::part::Decoder, vlm::part::Head>,
                            vlm::Loss<vlm::SampleMean>, vlm::Keep<vlm::BlockInputs>, vlm::Context<1024>> {};

int main(int count, char** arguments) {
  CLI::App app("Trains the decoder of a model and leaves its eyes as they are.");
  vlm::Recipe recipe{.data = {{}}, .steps = 50, .learning_rate = 1e-4};
  app.add_option("START", recipe.start, "model folder")->required();
  app.add_option("DATA", recipe.data[0].path, "conversations: JSON lines, or another source")->required();
  app.add_option("OUT", recipe.out, "folder for results")->required();
  app.add_option("--steps", recipe.steps, "updates")->capture_default_str();
  app.add_flag("--from-scratch", recipe.from_scratch, "draw the weights from a seed; START needs none then");
  return example::run(app, count, arguments, [&] {
    vlm::Trainer<Manners> trainer(recipe);
    // A loop of one's own; run() adds progress, logs and checkpoints.
    while (trainer.steps_done() < recipe.steps) {
      const vlm::Report report = trainer.step();
      std::printf("step %lld: loss %.4f, %lld tokens\n", static_cast<long long>(report.step), report.loss,
                  static_cast<long long>(report.tokens));
    }
    vlm::write_folder_atomically(recipe.out + "/model", [&](const std::string& folder) {
      trainer.net().save(folder);
      vlm::copy_companions(recipe.start, folder);
    });
    return 0;
  });
}
