// train_stage START DATA OUT: a stage of the published recipe, from a model folder and conversations.
// test: train_stage {toy}/start {toy}/data.jsonl out --steps 5 --from-scratch
#include <vlm/vlm.hpp>

#include "command_line.hpp"

int main(int count, char** arguments) {
  CLI::App app("Trains the mergers of a model, as the recipe's first stage does.");
  vlm::Recipe recipe{.data = {{}}, .context = 512, .learning_rate = 1e-3};
  app.add_option("START", recipe.start, "model folder")->required();
  app.add_option("DATA", recipe.data[0].path, "conversations: JSON lines, or another source")->required();
  app.add_option("OUT", recipe.out, "folder for results")->required();
  app.add_option("--steps", recipe.steps, "updates")->capture_default_str();
  app.add_flag("--from-scratch", recipe.from_scratch, "draw the weights from a seed; START needs none then");
  return example::run(app, count, arguments, [&] {
    vlm::Trainer<vlm::S0> trainer(recipe);
    return trainer.run() == vlm::RunEnd::Finished ? 0 : 130;
  });
}
