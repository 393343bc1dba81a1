#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <vlm/core/config.hpp>
#include <vlm/train/contrastive_trainer.hpp>
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#include <vlm/io/json_definitions.hpp>
#endif

#include "killed_run.hpp"
#include "message_of.hpp"
#include "temporary_folder.hpp"

using namespace vlm;

namespace {

std::string line(const std::vector<std::string>& colours, const std::string& answer) {
  std::string pictures;
  for (const std::string& colour : colours)
    pictures += R"({"type": "image", "image": ")" +
                std::filesystem::absolute("tests/toy/" + colour + ".ppm").string() + R"("}, )";
  return R"({"messages": [{"role": "user", "content": [)" + pictures +
         R"({"type": "text", "text": "?"}]}, {"role": "assistant", "content": ")" + answer + "\"}]}\n";
}

Recipe recipe_for(const TemporaryFolder& folder, const std::string& lines) {
  write_file_atomically(folder.path + "/data.jsonl", lines);
  Recipe recipe{
      .start = "tests/toy/start", .data = {{folder.path + "/data.jsonl"}}, .out = folder.path + "/out"};
  recipe.steps = 40;
  recipe.context = 96;
  recipe.learning_rate = 1e-2;
  recipe.from_scratch = true;
  recipe.threads = 2;
  recipe.quiet = true;
  return recipe;
}

std::string four_colours() {
  return line({"red"}, "red") + line({"green"}, "green") + line({"blue"}, "blue") +
         line({"white"}, "a white square");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(train_contrastive_trainer)

BOOST_AUTO_TEST_CASE(gradients_of_tower_and_texts_are_those_of_finite_differences) {
  const TemporaryFolder folder;
  Recipe recipe = recipe_for(folder, four_colours());
  ContrastiveTrainer<> trainer(recipe);
  const Processor processor = Processor::load(recipe.start);
  Loader loader(recipe.data, processor, {.context = 96, .micro_batches = 2});
  std::vector<Batch> step;
  loader.next_step(step, 0);
  trainer.gradients(step);
  int checked = 0;
  std::map<std::string, std::vector<float>> exact;
  for (const Parameter& p : trainer.parameters())
    if (p.trained) exact[p.name].assign(p.gradient.begin(), p.gradient.end());
  for (Parameter& p : trainer.parameters()) {
    if (!p.trained) continue;
    BOOST_TEST((p.name.starts_with("contrastive.") || detail::in_encoder(p.name)));
    // The element with the largest gradient of each parameter.
    const std::vector<float>& gradient = exact[p.name];
    std::size_t largest = 0;
    for (std::size_t i = 0; i < gradient.size(); ++i)
      if (std::abs(gradient[i]) > std::abs(gradient[largest])) largest = i;
    const float before = p.value[largest], h = 1e-2f;
    p.value[largest] = before + h;
    const double above = trainer.gradients(step).loss;
    p.value[largest] = before - h;
    const double below = trainer.gradients(step).loss;
    p.value[largest] = before;
    const double difference = (above - below) / (2 * static_cast<double>(h));
    BOOST_TEST_CONTEXT(p.name)
    BOOST_TEST(std::abs(difference - static_cast<double>(gradient[largest])) <
               2e-3 + 2e-2 * std::abs(difference));
    ++checked;
  }
  BOOST_TEST(checked > 30);
}

BOOST_AUTO_TEST_CASE(only_the_tower_learns_and_any_thread_count_gives_the_same) {
  std::map<std::string, std::vector<char>> first;
  for (const int threads : {1, 2}) {
    const TemporaryFolder folder;
    Recipe recipe = recipe_for(folder, four_colours());
    recipe.threads = threads;
    ContrastiveTrainer<> trainer(recipe);
    std::map<std::string, std::vector<char>> before;
    const auto bytes = [](const Parameter& p) {
      const char* data = static_cast<const char*>(p.record->data());
      return std::vector<char>(data, data + static_cast<std::size_t>(p.count) * size_of(p.record->format()));
    };
    for (const Parameter& p : trainer.net().parameters()) before[p.name] = bytes(p);
    BOOST_TEST((trainer.run() == RunEnd::Finished));
    for (const Parameter& p : trainer.net().parameters())
      if (!detail::in_encoder(p.name)) BOOST_TEST((before[p.name] == bytes(p)), p.name);
    for (const Parameter& p : trainer.net().parameters()) {
      if (threads == 1) first[p.name] = bytes(p);
      BOOST_TEST((first[p.name] == bytes(p)), p.name);
    }
    // The pairs are known by the end, and the folder is a model's.
    const std::string log = read_file(recipe.out + "/log.jsonl");
    const std::size_t last = log.rfind("\"loss\":");
    BOOST_TEST(std::stod(log.substr(last + 7)) < 0.5);
    BOOST_TEST(file_exists(recipe.out + "/model/tokenizer.json"));
    Model<Qwen3VL, Cpu>::load(recipe.out + "/model");
  }
}

// Killed at random moments and started again with another number of loader threads, a run has the losses and the weights
// of one that was never interrupted.
BOOST_AUTO_TEST_CASE(kill_and_resume_gives_the_same_losses) {
  const TemporaryFolder folder;
  Recipe recipe = recipe_for(folder, four_colours());
  recipe.checkpoint_every = 3;
  recipe.threads = 1;  // or the processes' spinning threads would keep each other from running
  const auto start = std::chrono::steady_clock::now();
  ContrastiveTrainer<>(recipe).run();
  const double length = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::string whole = recipe.out;
  std::mt19937 random(1);
  std::uniform_real_distribution<double> delay(0.2 * length, length);
  int kills = 0, finished = 0;
  for (bool done = false; kills < 8 || !done;) {
    recipe.out = folder.path + "/" + std::to_string(finished);
    recipe.loader_threads = 1 + kills % 3;
    done = kill_after(std::chrono::duration<double>(kills < 8 ? delay(random) : 100),
                      [&] { return ContrastiveTrainer<>(recipe).run() == RunEnd::Finished ? 0 : 1; });
    if (!done) {
      ++kills;
      continue;
    }
    BOOST_TEST(losses(recipe.out) == losses(whole), boost::test_tools::per_element());
    BOOST_TEST((read_file(recipe.out + "/model/model.safetensors") ==
                read_file(whole + "/model/model.safetensors")));
    ++finished;
  }
}

// In mid-epoch, with other threads; texts and temperature go on as the tower does.
BOOST_AUTO_TEST_CASE(a_run_goes_on_from_a_checkpoint) {
  const TemporaryFolder folder;
  Recipe recipe = recipe_for(folder, four_colours());
  recipe.context = 64;
  recipe.steps = 9;
  recipe.rate_shape = RateShape::Linear;
  ContrastiveTrainer<>(recipe).run();
  const std::string whole = recipe.out;
  recipe.out = folder.path + "/halves";
  {
    ContrastiveTrainer<> trainer(recipe);
    for (int i = 0; i < 3; ++i) trainer.step();
    trainer.save_checkpoint();
    trainer.step();  // lost
  }
  const Json state = parse_json(read_file(recipe.out + "/checkpoint-3/trainer.json"), "trainer.json");
  BOOST_TEST(state.at("stage").string() == "contrastive");
  BOOST_TEST(state.at("loader").at("position").integer() != 0);
  recipe.loader_threads = 3;
  ContrastiveTrainer<> trainer(recipe);
  BOOST_TEST(trainer.steps_done() == 3);
  BOOST_TEST((trainer.run() == RunEnd::Finished));
  const std::vector<std::string> all = losses(whole);
  BOOST_TEST(losses(recipe.out) == std::vector<std::string>(all.begin() + 3, all.end()),
             boost::test_tools::per_element());
  BOOST_TEST(
      (read_file(recipe.out + "/model/model.safetensors") == read_file(whole + "/model/model.safetensors")));
  BOOST_TEST(!file_exists(whole + "/model/contrastive.safetensors"));
}

BOOST_AUTO_TEST_CASE(a_set_to_score_is_refused) {
  const TemporaryFolder folder;
  Recipe recipe = recipe_for(folder, four_colours());
  recipe.validation = "held-out.jsonl";
  BOOST_TEST(message_of([&] { ContrastiveTrainer<>{recipe}; }) ==
             "vlm::ConfigError [recipe]\n"
             "  setting   validation\n"
             "  expected  none: a contrastive stage has no score of its own\n"
             "  got       held-out.jsonl\n"
             "  try       the scores of the stages that follow");
}

BOOST_AUTO_TEST_CASE(samples_without_one_picture_are_refused) {
  const auto message = [](const std::string& lines) {
    const TemporaryFolder folder;
    ContrastiveTrainer<> trainer(recipe_for(folder, lines));
    return message_of([&] { trainer.step(); });
  };
  BOOST_TEST(
      message(line({"red", "green"}, "two"))
          .starts_with("vlm::DataError [contrastive-sample]\n  expected  samples of one picture and its "
                       "text\n  got       "));
  // As many pictures as samples, and yet not one in each.
  BOOST_TEST(message(line({"red", "green"}, "two") + line({}, "none"))
                 .find(" samples, not one in each\n  try       conversations of one image and one answer") !=
             std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
