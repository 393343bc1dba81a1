// Sparse models in the trainer: what balances the experts of a step, and that such a run learns and resumes.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <vlm/core/config.hpp>
#include <vlm/train/trainer.hpp>
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#include <vlm/io/json_definitions.hpp>
#endif

#include "killed_run.hpp"
#include "temporary_folder.hpp"

using namespace vlm;

namespace {

using SparseTrainer = Trainer<S1, Qwen3VLMoE>;

// The toy model with four experts in place of each feed-forward part.
struct SparseToy {
  TemporaryFolder folder;
  std::string start = folder.path + "/start";

  SparseToy() {
    std::filesystem::copy("tests/toy/start", start);
    std::string config = read_file(start + "/config.json");
    const auto replace = [&](const std::string& from, const std::string& to) {
      const std::size_t at = config.find(from);
      BOOST_REQUIRE(at != config.npos);
      config.replace(at, from.size(), to);
    };
    replace(R"("qwen3_vl")", R"("qwen3_vl_moe")");
    replace(R"("head_dim": 16,)", R"("head_dim": 16, "num_experts": 4, "num_experts_per_tok": 2,
      "moe_intermediate_size": 24, "norm_topk_prob": true,)");
    write_file_atomically(start + "/config.json", config);
  }

  Recipe recipe(const std::string& out, const std::string& data = "tests/toy/data.jsonl") const {
    Recipe recipe{.start = start, .data = {{data}}, .out = folder.path + "/" + out};
    recipe.steps = 30;
    recipe.context = 128;
    recipe.micro_batches = 2;
    recipe.learning_rate = 1e-2;
    recipe.warm_up = 3;
    recipe.from_scratch = true;
    recipe.threads = 2;
    recipe.quiet = true;
    return recipe;
  }

  // Two conversations of different length; the tokens of each.
  std::vector<Index> write_two(const std::string& path) const {
    const auto line = [](const std::string& colour, const std::string& answer) {
      return R"({"messages": [{"role": "user", "content": [{"type": "image", "image": ")" +
             std::filesystem::absolute("tests/toy/" + colour + ".ppm").string() +
             R"("}, {"type": "text", "text": "?"}]}, {"role": "assistant", "content": ")" + answer +
             "\"}]}\n";
    };
    write_file_atomically(path, line("red", "red") + line("blue", "the whole of this one is blue"));
    const Processor processor = Processor::load(start);
    const JsonlFile file(path);
    std::vector<Index> tokens;
    for (Index i = 0; i < file.size(); ++i)
      tokens.push_back(static_cast<Index>(processor.training_sample(file.conversation(i)).tokens.size()));
    return tokens;
  }
};

struct Step {
  Report report;
  std::map<std::string, std::vector<float>> gradients{};

  explicit Step(const Recipe& recipe) {
    SparseTrainer trainer(recipe);
    report = trainer.step();
    for (const Parameter& p : trainer.net().parameters())
      gradients[p.name].assign(p.gradient.begin(), p.gradient.end());
  }
  // The largest |a - b| / |b| of a tensor, in Euclidean norms; `kind` is a part of its name.
  double distance(const Step& other, const std::string& kind) const {
    double largest = 0;
    for (const auto& [name, values] : gradients) {
      if (name.find(kind) == name.npos) continue;
      double difference = 0, norm = 0;
      const std::vector<float>& others = other.gradients.at(name);
      for (std::size_t i = 0; i < values.size(); ++i) {
        difference += std::pow(static_cast<double>(values[i]) - static_cast<double>(others[i]), 2);
        norm += std::pow(static_cast<double>(others[i]), 2);
      }
      if (norm > 1e-16) largest = std::max(largest, std::sqrt(difference / norm));
    }
    return largest;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(train_sparse_steps)

// Micro-batches of different size against one batch of all. With the whole step's choices, losses and all gradients are
// those of the one batch; with those so far, or of each alone, the routers' are others.
BOOST_AUTO_TEST_CASE(a_step_in_parts_is_balanced_as_one_batch) {
  const SparseToy toy;
  const std::string data = toy.folder.path + "/two.jsonl";
  const std::vector<Index> tokens = toy.write_two(data);
  const Index longest = std::max(tokens[0], tokens[1]), shortest = std::min(tokens[0], tokens[1]);
  BOOST_REQUIRE(longest > shortest && longest < 2 * shortest);
  Recipe recipe = toy.recipe("whole", data);
  recipe.balance = 1;
  recipe.context = tokens[0] + tokens[1];
  recipe.micro_batches = 1;
  const Step whole(recipe);
  BOOST_TEST(whole.report.tokens == recipe.context);
  BOOST_TEST(whole.report.balance > 1);

  recipe.context = longest;
  recipe.micro_batches = 2;
  const auto in_parts = [&](BalanceScope scope, const std::string& out) {
    recipe.balance_scope = scope;
    recipe.out = toy.folder.path + "/" + out;
    const Step step(recipe);
    BOOST_TEST(step.report.tokens == whole.report.tokens);
    BOOST_TEST(step.report.loss == whole.report.loss, boost::test_tools::tolerance(1e-6));
    return step;
  };
  const Step exact = in_parts(BalanceScope::Step, "exact");
  BOOST_TEST(exact.report.balance == whole.report.balance, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(exact.distance(whole, "") < 1e-5);
  const Step so_far = in_parts(BalanceScope::StepSoFar, "so-far");
  BOOST_TEST(so_far.distance(whole, "mlp.gate.weight") > 1e-3);
  const Step alone = in_parts(BalanceScope::MicroBatch, "alone");
  BOOST_TEST(alone.distance(whole, "mlp.gate.weight") > 1e-3);
}

// What blocks compute again for their backward pass is not counted again.
BOOST_AUTO_TEST_CASE(choices_are_counted_once_where_blocks_keep_their_inputs) {
  struct Lean : Stage<"lean", From<S1>, Keep<BlockInputs>> {};
  const SparseToy toy;
  for (const BalanceScope scope : {BalanceScope::StepSoFar, BalanceScope::Step}) {
    Recipe recipe = toy.recipe("whole" + std::to_string(static_cast<int>(scope)));
    recipe.balance_scope = scope;
    recipe.balance = 1;
    const Step kept(recipe);
    recipe.out += "-lean";
    Trainer<Lean, Qwen3VLMoE> lean(recipe);
    const Report report = lean.step();
    BOOST_TEST(report.balance == kept.report.balance);
    BOOST_TEST(report.gradient_norm == kept.report.gradient_norm);
  }
}

BOOST_AUTO_TEST_CASE(a_sparse_model_learns_and_resumes_bit_for_bit) {
  const SparseToy toy;
  for (const BalanceScope scope : {BalanceScope::StepSoFar, BalanceScope::Step}) {
    const std::string name = std::to_string(static_cast<int>(scope));
    Recipe recipe = toy.recipe("whole" + name);
    recipe.balance_scope = scope;
    SparseTrainer(recipe).run();
    const std::string whole = recipe.out;
    const std::vector<std::string> curve = logged(whole, "loss"), balance = logged(whole, "balance");
    BOOST_REQUIRE_EQUAL(curve.size(), 30u);
    BOOST_TEST(std::stod(curve.back()) < 0.5 * std::stod(curve.front()));
    for (const std::string& value : balance) BOOST_TEST(std::stod(value) > 0.9e-3);

    recipe.out = toy.folder.path + "/halves" + name;
    {
      SparseTrainer trainer(recipe);
      for (int i = 0; i < 7; ++i) trainer.step();
      trainer.save_checkpoint();
      trainer.step();  // lost
    }
    recipe.loader_threads = 3;
    recipe.threads = 1;
    SparseTrainer trainer(recipe);
    BOOST_TEST(trainer.steps_done() == 7);
    trainer.run();
    BOOST_TEST(logged(recipe.out, "loss") == std::vector<std::string>(curve.begin() + 7, curve.end()),
               boost::test_tools::per_element());
    BOOST_TEST(logged(recipe.out, "balance") == std::vector<std::string>(balance.begin() + 7, balance.end()),
               boost::test_tools::per_element());
    BOOST_TEST((read_file(recipe.out + "/model/model.safetensors") ==
                read_file(whole + "/model/model.safetensors")));
  }
}

BOOST_AUTO_TEST_SUITE_END()
