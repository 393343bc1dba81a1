#include <boost/test/unit_test.hpp>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <vlm/core/config.hpp>
#include <vlm/train/trainer.hpp>
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#include <vlm/io/json_definitions.hpp>
#endif

#include "temporary_folder.hpp"

using namespace vlm;

namespace {

Recipe toy_recipe(const std::string& out) {
  Recipe recipe{.start = "tests/toy/start", .data = {{"tests/toy/data.jsonl"}}, .out = out};
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

// The losses of log.jsonl as they are written, all digits.
std::vector<std::string> losses(const std::string& out) {
  const std::string text = read_file(out + "/log.jsonl");
  std::vector<std::string> found;
  for (std::size_t at = 0; (at = text.find("\"loss\":", at)) != std::string::npos; ++at)
    found.push_back(text.substr(at + 7, text.find(',', at) - at - 7));
  return found;
}

// Runs the recipe in a process of its own and kills it without warning after `delay`; true
// if it finished first.
bool run_and_kill(const Recipe& recipe, std::chrono::milliseconds delay) {
  const pid_t child = fork();
  if (child == 0) {
    try {
      _exit(Trainer<S1>(recipe).run() == RunEnd::Finished ? 0 : 1);
    } catch (...) {
      _exit(3);
    }
  }
  int status = 0;
  const auto end = std::chrono::steady_clock::now() + delay;
  while (std::chrono::steady_clock::now() < end) {
    if (waitpid(child, &status, WNOHANG) == child) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (!WIFEXITED(status) || kill(child, 0) == 0) {
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
  }
  if (WIFEXITED(status)) BOOST_REQUIRE_EQUAL(WEXITSTATUS(status), 0);
  return WIFEXITED(status);
}

template <class Net>
std::vector<char> bytes_of(const Net& net, const std::string& prefix) {
  std::vector<char> bytes;
  for (const Parameter& p : net.parameters()) {
    const char* data = static_cast<const char*>(p.record->data());
    if (p.name.starts_with(prefix))
      bytes.insert(bytes.end(), data, data + static_cast<std::size_t>(p.count) * size_of(p.record->format()));
  }
  return bytes;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(train_trainer)

BOOST_AUTO_TEST_CASE(a_stage_learns_and_leaves_a_model_folder) {
  const TemporaryFolder folder;
  Trainer<S1> trainer(toy_recipe(folder.path));
  BOOST_TEST((trainer.run() == RunEnd::Finished));
  const std::vector<std::string> curve = losses(folder.path);
  BOOST_REQUIRE_EQUAL(curve.size(), 30u);
  BOOST_TEST(std::stod(curve.back()) < 0.5 * std::stod(curve.front()));
  const auto model = Model<Qwen3VL, Cpu>::load(folder.path + "/model");
  BOOST_TEST(model.parameters().size() == trainer.net().parameters().size());
  BOOST_TEST(file_exists(folder.path + "/model/tokenizer.json"));
  BOOST_TEST(file_exists(folder.path + "/model/preprocessor_config.json"));
}

// S0 trains the mergers: the other parts keep every bit, and only the mergers own gradients.
BOOST_AUTO_TEST_CASE(s0_changes_the_mergers_alone) {
  const TemporaryFolder folder;
  Recipe recipe = toy_recipe(folder.path);
  recipe.steps = 3;
  Trainer<S0> trainer(recipe);
  const auto encoder_names = {"model.visual.blocks", "model.visual.patch_embed", "model.visual.pos_embed"};
  std::vector<std::vector<char>> encoder;
  for (const char* name : encoder_names) encoder.push_back(bytes_of(trainer.net(), name));
  const auto decoder = bytes_of(trainer.net(), "model.language_model");
  const auto merger = bytes_of(trainer.net(), "model.visual.merger");
  const auto taps = bytes_of(trainer.net(), "model.visual.deepstack_merger_list");
  BOOST_REQUIRE(!decoder.empty() && !merger.empty() && !taps.empty());
  trainer.run();
  std::size_t i = 0;
  for (const char* name : encoder_names) BOOST_TEST((bytes_of(trainer.net(), name) == encoder[i++]));
  BOOST_TEST((bytes_of(trainer.net(), "model.language_model") == decoder));
  BOOST_TEST((bytes_of(trainer.net(), "model.visual.merger") != merger));
  BOOST_TEST((bytes_of(trainer.net(), "model.visual.deepstack_merger_list") != taps));
  std::size_t trained_bytes = 0;
  for (const Parameter& p : trainer.net().parameters()) {
    BOOST_TEST(p.trained == (p.name.find("merger") != std::string::npos), p.name);
    trained_bytes += p.trained ? (static_cast<std::size_t>(p.count) + 15) / 16 * 16 * sizeof(float) : 0;
  }
  BOOST_TEST(trainer.net().gradient_bytes() == trained_bytes);
}

// Killed at many moments and started again each time, the run has the losses of one
// that was never interrupted.
BOOST_AUTO_TEST_CASE(kill_and_resume_gives_the_same_losses) {
  const TemporaryFolder whole, killed;
  Recipe recipe = toy_recipe(whole.path);
  recipe.checkpoint_every = 4;
  Trainer<S1>(recipe).run();
  recipe.out = killed.path;
  int kills = 0;
  for (int delay = 40; !run_and_kill(recipe, std::chrono::milliseconds(delay)); delay += 25 + delay / 4) {
    ++kills;
    BOOST_REQUIRE(kills < 200);
  }
  BOOST_TEST(kills > 0);
  BOOST_TEST(losses(killed.path) == losses(whole.path), boost::test_tools::per_element());
  BOOST_TEST(read_file(killed.path + "/model/model.safetensors") ==
             read_file(whole.path + "/model/model.safetensors"));
}

BOOST_AUTO_TEST_CASE(threads_do_not_change_a_bit) {
  const TemporaryFolder one, seven;
  Recipe recipe = toy_recipe(one.path);
  recipe.steps = 4;
  recipe.threads = 1;
  Trainer<S1>(recipe).run();
  recipe.out = seven.path;
  recipe.threads = 7;
  Trainer<S1>(recipe).run();
  BOOST_TEST(losses(one.path) == losses(seven.path), boost::test_tools::per_element());
  BOOST_TEST(read_file(one.path + "/model/model.safetensors") ==
             read_file(seven.path + "/model/model.safetensors"));
}

BOOST_AUTO_TEST_CASE(ctrl_c_saves_and_the_same_call_goes_on) {
  const TemporaryFolder whole, stopped;
  Recipe recipe = toy_recipe(whole.path);
  recipe.steps = 200;
  Trainer<S1>(recipe).run();
  recipe.out = stopped.path;
  Trainer<S1> trainer(recipe);
  // The first line of the log says that the handler is in place.
  std::thread finger([log = stopped.path + "/log.jsonl"] {
    while (!file_exists(log) || read_file(log).empty())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    kill(getpid(), SIGINT);
  });
  const RunEnd end = trainer.run();
  finger.join();
  BOOST_REQUIRE((end == RunEnd::Interrupted));
  BOOST_TEST(trainer.steps_done() < 200);
  BOOST_TEST((Trainer<S1>(recipe).run() == RunEnd::Finished));
  BOOST_TEST(losses(stopped.path) == losses(whole.path), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(another_recipe_does_not_resume_here) {
  const TemporaryFolder folder;
  Recipe recipe = toy_recipe(folder.path);
  recipe.steps = 3;
  recipe.checkpoint_every = 2;
  Trainer<S1>(recipe).run();
  recipe.learning_rate = 2e-2;
  BOOST_CHECK_EXCEPTION(Trainer<S1>{recipe}, ConfigError, [](const ConfigError& error) {
    return error.id() == "resume-recipe" &&
           std::string(error.what()).find("learning_rate") != std::string::npos;
  });
}

// One bit of one weight, as a disk may lose it: loading alone would not notice.
BOOST_AUTO_TEST_CASE(a_damaged_checkpoint_is_not_resumed) {
  const TemporaryFolder folder;
  Recipe recipe = toy_recipe(folder.path);
  recipe.steps = 3;
  recipe.checkpoint_every = 2;
  Trainer<S1>(recipe).run();
  for (const char* name :
       {"/model.safetensors", "/optimizer.safetensors", "/trainer.json", "/tokenizer.json"}) {
    const std::string path = folder.path + "/checkpoint-2" + name, whole = read_file(path);
    std::string damaged = whole;
    damaged[damaged.size() - 2] ^= 1;
    write_file_atomically(path, damaged);
    BOOST_CHECK_EXCEPTION(Trainer<S1>{recipe}, FileError, [&](const FileError& error) {
      return error.id() == "checkpoint" && std::string(error.what()).find(path) != std::string::npos;
    });
    write_file_atomically(path, whole);
  }
  BOOST_TEST(Trainer<S1>(recipe).steps_done() == 2);
}

BOOST_AUTO_TEST_CASE(another_stage_does_not_resume_here) {
  const TemporaryFolder folder;
  Recipe recipe = toy_recipe(folder.path);
  recipe.steps = 3;
  recipe.checkpoint_every = 2;
  Trainer<S1>(recipe).run();
  BOOST_CHECK_EXCEPTION(Trainer<S0>{recipe}, ConfigError, [](const ConfigError& error) {
    return error.id() == "resume-stage" &&
           std::string(error.what()).find("expected  S0") != std::string::npos;
  });
}

BOOST_AUTO_TEST_SUITE_END()
