// compose_block: a layer of one's own in a stack of blocks. Checks its gradients, then lets it learn for some steps,
// forward and backward, in memory that was planned once. See docs/one-layer.md.
// test: compose_block --depth 2 --steps 20
#include <vlm/vlm.hpp>

#include "command_line.hpp"
#include "layer_scale.hpp"

using Environment = vlm::Env<vlm::Cpu, vlm::F32, vlm::Trained, vlm::BlockInputs>;
using Blocks = example::ScaledBlocks<Environment>;
using Rows = vlm::View<float, 2, vlm::Cpu>;

struct Options {
  vlm::Index rows = 32, features = 24, intermediate = 48;
  std::size_t depth = 3;
  int steps = 50;
};

// Half the mean square of y - target, whose gradient comes back in dy.
double distance(Rows y, Rows target, Rows dy) {
  double sum = 0;
  const float share = 1.0f / static_cast<float>(y.count());
  for (vlm::Index i = 0; i < y.rows(); ++i)
    for (vlm::Index j = 0; j < y.extent[1]; ++j) {
      const float error = y(i, j) - target(i, j);
      sum += 0.5 * static_cast<double>(error) * static_cast<double>(error);
      dy(i, j) = error * share;
    }
  return sum / static_cast<double>(y.count());
}

// Learns to turn the rows of x into those of target; whether it came closer.
bool learn(const Options& options) {
  Blocks blocks = example::make_blocks<Environment>(options.depth, options.features, options.intermediate);
  vlm::LayerParameters parameters(blocks, 1, 0.2f);
  for (const auto& tensor : parameters.tensors())
    std::printf("%-36s %s\n", tensor.name.c_str(), vlm::shape_text(tensor.shape).c_str());

  const std::size_t count = static_cast<std::size_t>(options.rows * options.features);
  std::vector<float> memory(4 * count);
  vlm::initialise({memory.data(), 2 * count}, vlm::Initial::Normal, 2, "x and target", 1);
  const auto rows = [&](std::size_t i) {
    return Rows(memory.data() + i * count, vlm::Shape<2>{{options.rows, options.features}});
  };
  const Rows x = rows(0), target = rows(1), y = rows(2), dy = rows(3);

  vlm::Runtime<vlm::Cpu> runtime;
  double loss = 0;
  const auto pass = [&] {
    const auto given_back = runtime.scope();
    Blocks::Saved saved;
    blocks.forward(runtime, x, y, saved);
    if (!runtime.measuring()) loss = distance(y, target, dy);
    blocks.backward(runtime, saved, dy, vlm::nothing);
  };
  runtime.plan(pass);  // the only time that memory for activations is allocated
  std::printf("activations and scratch: %zu bytes\n", runtime.reserved_bytes());

  double first = 0;
  for (int step = 0; step < options.steps; ++step) {
    parameters.zero_gradients();
    pass();
    if (step == 0) first = loss;
    for (const auto& tensor : parameters.tensors())
      for (std::size_t i = 0; i < tensor.value.size(); ++i) tensor.value[i] -= 0.5f * tensor.gradient[i];
  }
  std::printf("loss %.4f, after %d steps %.4f\n", first, options.steps, loss);
  return loss < first;
}

int main(int count, char** arguments) {
  CLI::App app("Composes a layer of one's own into blocks, checks their gradients, and lets them learn.");
  Options options;
  app.add_option("--depth", options.depth, "blocks")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--steps", options.steps, "steps")->check(CLI::Range(2, 100000))->capture_default_str();
  return example::run(app, count, arguments, [&] {
    vlm::require_gradients(example::ScaledBlock<Environment>(8, 12), {.features = 8});
    std::puts("gradients agree with finite differences");
    return learn(options) ? 0 : 1;
  });
}
