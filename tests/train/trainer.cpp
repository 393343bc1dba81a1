#include <boost/test/unit_test.hpp>

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <vlm/core/config.hpp>
#include <vlm/train/trainer.hpp>
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#include <vlm/io/json_definitions.hpp>
#endif

#include "killed_run.hpp"
#include "message_of.hpp"
#include "small_disk.hpp"
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

// Killed at twenty random moments, in mid-epoch too, and started again each time with another number of loader
// threads, a run has the losses and the weights of one that was never interrupted.
BOOST_AUTO_TEST_CASE(kill_and_resume_gives_the_same_losses) {
  const TemporaryFolder whole, folder;
  Recipe recipe = toy_recipe(whole.path);
  recipe.checkpoint_every = 3;
  recipe.threads = 1;  // or the processes' spinning threads would keep each other from running
  const auto start = std::chrono::steady_clock::now();
  Trainer<S1>(recipe).run();
  const double length = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::mt19937 random(1);
  std::uniform_real_distribution<double> delay(0.001, length);
  int kills = 0, finished = 0;
  for (bool done = false; kills < 20 || !done;) {
    recipe.out = folder.path + "/" + std::to_string(finished);
    recipe.loader_threads = 1 + kills % 3;
    done = kill_after(std::chrono::duration<double>(kills < 20 ? delay(random) : 100),
                      [&] { return Trainer<S1>(recipe).run() == RunEnd::Finished ? 0 : 1; });
    if (!done) {
      ++kills;
      continue;
    }
    BOOST_TEST(losses(recipe.out) == losses(whole.path), boost::test_tools::per_element());
    BOOST_TEST(read_file(recipe.out + "/model/model.safetensors") ==
               read_file(whole.path + "/model/model.safetensors"));
    ++finished;
  }
  BOOST_TEST(finished > 0);
}

// The cursor stands in the middle of an epoch, and the loader has more threads than before.
BOOST_AUTO_TEST_CASE(a_run_goes_on_in_mid_epoch_with_other_loader_threads) {
  const TemporaryFolder whole, halves;
  Recipe recipe = toy_recipe(whole.path);
  recipe.micro_batches = 1;
  recipe.steps = 7;
  Trainer<S1>(recipe).run();
  recipe.out = halves.path;
  {
    Trainer<S1> trainer(recipe);
    for (int i = 0; i < 3; ++i) trainer.step();
    trainer.save_checkpoint();
  }
  recipe.loader_threads = 4;
  Trainer<S1> trainer(recipe);
  BOOST_TEST(trainer.steps_done() == 3);
  const Json state = parse_json(read_file(halves.path + "/checkpoint-3/trainer.json"), "trainer.json");
  BOOST_TEST(state.at("loader").at("position").integer() != 0);
  trainer.run();
  const std::vector<std::string> all = losses(whole.path);
  BOOST_TEST(losses(halves.path) == std::vector<std::string>(all.begin() + 3, all.end()),
             boost::test_tools::per_element());
  BOOST_TEST(read_file(halves.path + "/model/model.safetensors") ==
             read_file(whole.path + "/model/model.safetensors"));
}

BOOST_AUTO_TEST_CASE(one_folder_has_one_run) {
  const TemporaryFolder folder;
  const Recipe recipe = toy_recipe(folder.path);
  const Trainer<S1> first(recipe);
  BOOST_TEST(message_of([&] { Trainer<S1>{recipe}; }) ==
             "vlm::FileError [folder-in-use]\n"
             "  folder    " +
                 folder.path +
                 "\n"
                 "  expected  a folder that no other run writes\n"
                 "  got       one that another process or object has locked\n"
                 "  try       wait for that run or stop it, or choose another folder");
}

// The limit on file sizes stands for a disk that is full.
BOOST_AUTO_TEST_CASE(a_full_disk_is_one_error_and_the_last_checkpoint_stays) {
  const TemporaryFolder folder;
  Recipe recipe = toy_recipe(folder.path);
  {
    Trainer<S1> trainer(recipe);
    trainer.step();
    trainer.save_checkpoint();
    trainer.step();
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    rlimit small = before;
    small.rlim_cur = 20000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    const std::string message = message_of([&] { trainer.save_checkpoint(); });
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    BOOST_TEST(message ==
               "vlm::FileError [file-write]\n"
               "  file      " +
                   folder.path +
                   "/checkpoint-2.partial/model.safetensors\n"
                   "  expected  room for the whole file\n"
                   "  got       File too large\n"
                   "  try       check the path and its permissions");
    BOOST_TEST(!file_exists(folder.path + "/checkpoint-2.partial"));
    trainer.save_checkpoint();  // there is room again
    remove_folder(folder.path + "/checkpoint-2");
  }
  BOOST_TEST(Trainer<S1>(recipe).steps_done() == 1);
}

// A disk that is really full, where the system lets a test mount one: the run ends with one error, and goes on from its
// last checkpoint when there is room.
BOOST_AUTO_TEST_CASE(a_disk_that_is_full_ends_the_run_and_loses_no_checkpoint) {
  const TemporaryFolder folder, results;
  const std::string disk = folder.path, filler = disk + "/filler";
  Recipe recipe = toy_recipe(disk + "/out");
  recipe.steps = 4;
  recipe.checkpoint_every = 1;
  recipe.threads = 1;
  const bool done = on_small_disk(disk, "16m", [&] {
    {
      Trainer<S1> trainer(recipe);
      trainer.step();
      trainer.save_checkpoint();
    }
    const std::string block(4096, 'x');
    for (std::ofstream file(filler); file.write(block.data(), 4096).flush();) {
    }
    std::filesystem::resize_file(filler, std::filesystem::file_size(filler) / 4096 * 4096 - 8 * 4096);
    write_file_atomically(results.path + "/message", message_of([&] { Trainer<S1>(recipe).run(); }));
    std::string state = file_exists(recipe.out + "/checkpoint-2.partial") ? "partial left, " : "";
    std::filesystem::remove(filler);
    Trainer<S1> trainer(recipe);  // verifies the checkpoint
    state += "resumed at " + std::to_string(trainer.steps_done());
    state += trainer.run() == RunEnd::Finished ? ", finished" : ", not finished";
    write_file_atomically(results.path + "/state", state);
  });
  if (!done) return;
  BOOST_TEST(read_file(results.path + "/message") ==
             "vlm::FileError [file-write]\n"
             "  file      " +
                 disk +
                 "/out/checkpoint-2.partial/model.safetensors\n"
                 "  expected  room for the whole file\n"
                 "  got       No space left on device\n"
                 "  try       free space on this disk");
  BOOST_TEST(read_file(results.path + "/state") == "resumed at 1, finished");
}

// One bad value makes loss and gradient none; the step changes nothing, and the next one goes on.
BOOST_AUTO_TEST_CASE(a_step_that_is_not_finite_is_skipped_and_counted) {
  const TemporaryFolder folder;
  Recipe recipe = toy_recipe(folder.path);
  Trainer<S1> trainer(recipe);
  BOOST_TEST(!trainer.step().skipped);
  float& value = trainer.net().parameters().front().value.front();
  const float fine = value;
  value = std::numeric_limits<float>::quiet_NaN();
  const auto before = bytes_of(trainer.net(), "");
  const Report skipped = trainer.step();
  BOOST_TEST(skipped.skipped);
  BOOST_TEST(skipped.skipped_steps == 1);
  BOOST_TEST(skipped.step == 2);
  BOOST_TEST((bytes_of(trainer.net(), "") == before));
  value = fine;
  const Report next = trainer.step();
  BOOST_TEST(!next.skipped);
  BOOST_TEST(next.skipped_steps == 1);
  BOOST_TEST(std::isfinite(next.loss));
  trainer.save_checkpoint();
  const Json state = parse_json(read_file(folder.path + "/checkpoint-3/trainer.json"), "trainer.json");
  BOOST_TEST(state.at("skipped").integer() == 1);
  BOOST_TEST(state.at("skipped_in_a_row").integer() == 0);
}

BOOST_AUTO_TEST_CASE(too_many_skipped_steps_end_the_run) {
  const TemporaryFolder folder;
  Recipe recipe = toy_recipe(folder.path);
  recipe.skipped_in_a_row = 2;
  Trainer<S1> trainer(recipe);
  trainer.step();
  trainer.net().parameters().front().value.front() = std::numeric_limits<float>::quiet_NaN();
  const std::string message = message_of([&] { trainer.run(); });
  BOOST_TEST(
      message.starts_with("vlm::DataError [diverged]\n"
                          "  at        step 4\n"
                          "  expected  a finite loss and gradient in one of 3 steps\n"
                          "  got       loss "));
  BOOST_TEST(message.ends_with("\n  try       a smaller learning rate; the last checkpoint is whole"));
  BOOST_TEST(losses(folder.path) == (std::vector<std::string>{"null", "null"}),
             boost::test_tools::per_element());
  BOOST_CHECK_THROW(trainer.save_checkpoint(), DataError);  // no such weights are kept
}

BOOST_AUTO_TEST_CASE(validation_is_scored_when_due_and_learns_nothing) {
  const TemporaryFolder plain, scored;
  Recipe recipe = toy_recipe(plain.path);
  recipe.steps = 5;
  Trainer<S1>(recipe).run();
  recipe.out = scored.path;
  recipe.validation = "tests/toy/data.jsonl";
  recipe.validate_every = 2;
  Trainer<S1>(recipe).run();
  BOOST_TEST(losses(scored.path) == losses(plain.path), boost::test_tools::per_element());
  std::vector<Index> steps;
  std::vector<double> scores;
  const std::string text = read_file(scored.path + "/log.jsonl");
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    const Json line = parse_json(text.substr(at, text.find('\n', at) - at), "log.jsonl");
    if (!line.find("validation")) continue;
    steps.push_back(line.at("step").integer());
    scores.push_back(line.at("validation").number());
  }
  BOOST_TEST(steps == (std::vector<Index>{2, 4, 5}), boost::test_tools::per_element());
  BOOST_TEST(scores.back() < scores.front());
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
  std::optional<Trainer<S1>> trainer(recipe);
  // The first line of the log says that the handler is in place.
  std::thread finger([log = stopped.path + "/log.jsonl"] {
    while (!file_exists(log) || read_file(log).empty())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    kill(getpid(), SIGINT);
  });
  const RunEnd end = trainer->run();
  finger.join();
  BOOST_REQUIRE((end == RunEnd::Interrupted));
  BOOST_TEST(trainer->steps_done() < 200);
  trainer.reset();
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

// Thoughts are learned by SFT<Thinking>, from a start that has the template of thinking models; the model has it again.
BOOST_AUTO_TEST_CASE(a_stage_of_thoughts_needs_the_template_and_the_thoughts) {
  const TemporaryFolder folder;
  Recipe recipe = toy_recipe(folder.path + "/out");
  recipe.start = folder.path + "/start";
  recipe.data = {{folder.path + "/data.jsonl"}};
  recipe.steps = 40;
  const std::string line = R"({"messages": [{"role": "user", "content": "?"}, {"role": "assistant", )",
                    thoughts = R"("reasoning_content": "Hm.", "content": "Yes."}]})"
                               "\n";
  write_file_atomically(folder.path + "/data.jsonl", line + thoughts + line + thoughts);
  std::filesystem::copy("tests/toy/start", recipe.start);
  BOOST_CHECK_EXCEPTION(Trainer<SFT<Thinking>>{recipe}, ConfigError,
                        [](const ConfigError& error) { return error.id() == "answer-format"; });
  const std::string chat_template = read_file("tests/golden/chat/chat_template.thinking.jinja");
  write_file_atomically(recipe.start + "/chat_template.jinja", chat_template);
  Trainer<SFT<Thinking>>(recipe).run();
  BOOST_TEST(std::stod(losses(recipe.out).back()) < 0.5 * std::stod(losses(recipe.out).front()));
  BOOST_TEST((read_file(recipe.out + "/model/chat_template.jinja") == chat_template));
  BOOST_TEST((Processor::load(recipe.out + "/model").variant() == ChatVariant::Thinking));
  write_file_atomically(folder.path + "/data.jsonl", line + R"("content": "Yes."}]})"
                                                            "\n");
  recipe.out += "2";
  Trainer<SFT<Thinking>> trainer(recipe);
  BOOST_TEST(message_of([&] { trainer.step(); }) ==
             "vlm::DataError [data-line]\n"
             "  file      " +
                 folder.path +
                 "/data.jsonl\n"
                 "  line      1\n"
                 "  field     messages[1]\n"
                 "  expected  an answer with thoughts, in reasoning_content or between <think> and </think>\n"
                 "  got       an answer without\n"
                 "  try       a stage of the non-thinking format for such conversations");
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
