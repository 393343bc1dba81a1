#include <vlm/train/run_state.hpp>

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <string>
#include <vector>

#include <vlm/core/config.hpp>
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#include <vlm/io/json_definitions.hpp>
#endif

#include "message_of.hpp"
#include "temporary_folder.hpp"

using namespace vlm;

namespace {

const Recipe recipe{
    .start = "tests/toy/start", .data = {{"tests/toy/data.jsonl"}}, .out = "out", .context = 128};

}  // namespace

BOOST_AUTO_TEST_SUITE(train_run_state)

BOOST_AUTO_TEST_CASE(parts_are_made_as_the_recipe_says) {
  Recipe other = recipe;
  other.micro_batches = 3;
  other.loader_threads = 5;
  other.skip_too_long = true;
  const LoaderSettings settings = loader_settings(other, 4096);
  BOOST_TEST(settings.context == 128);
  BOOST_TEST(settings.micro_batches == 3);
  BOOST_TEST(settings.threads == 5);
  BOOST_TEST((settings.too_long == Unusable::Skip));
  BOOST_TEST((settings.bad_line == Unusable::Refuse));
  other.context = 0;
  BOOST_TEST(loader_settings(other, 4096).context == 4096);
  other.learning_rate = 0.5;
  other.end_rate = 0.25;
  other.steps = 10;
  other.rate_shape = RateShape::Linear;
  BOOST_TEST(rate_schedule(other)(5) == 0.375);
}

BOOST_AUTO_TEST_CASE(a_state_comes_back_and_moves_the_loader) {
  const TemporaryFolder folder;
  const Processor processor = Processor::load(recipe.start);
  Loader loader(recipe.data, processor, loader_settings(recipe, 0));
  std::vector<Batch> step;
  loader.next_step(step, 0.5);
  write_run_state(folder.path, "S1", {.step = 7, .skipped = 2, .skipped_in_a_row = 1}, recipe, loader);
  loader.next_step(step, 0.5);
  Loader again(recipe.data, processor, loader_settings(recipe, 0));
  const RunState state = read_run_state(folder.path, "S1", recipe, again);
  BOOST_TEST(state.step == 7);
  BOOST_TEST(state.skipped == 2);
  BOOST_TEST(state.skipped_in_a_row == 1);
  std::vector<Batch> same;
  again.next_step(same, 0.5);
  BOOST_TEST(same[0].tokens == step[0].tokens, boost::test_tools::per_element());

  BOOST_TEST(message_of([&] { read_run_state(folder.path, "S2", recipe, again); }) ==
             "vlm::ConfigError [resume-stage]\n"
             "  folder    " +
                 folder.path +
                 "\n"
                 "  expected  S2\n"
                 "  got       S1\n"
                 "  try       another `out` for another stage");
  Recipe other = recipe;
  other.learning_rate = 1;
  BOOST_CHECK_EXCEPTION(read_run_state(folder.path, "S1", other, again), ConfigError,
                        [](const ConfigError& error) { return error.id() == "resume-recipe"; });
}

BOOST_AUTO_TEST_CASE(steps_that_are_not_finite_are_counted) {
  RunState state;
  Report fine{.step = 1, .loss = 1, .gradient_norm = 1}, none{.step = 2, .loss = 1, .gradient_norm = NAN};
  state.count_step(fine, 1);
  BOOST_TEST(!fine.skipped);
  state.count_step(none, 1);
  BOOST_TEST(none.skipped);
  BOOST_TEST(none.skipped_steps == 1);
  BOOST_TEST(state.step == 2);
  BOOST_TEST(state.updates() == 1);
  none.step = 3;
  BOOST_TEST(message_of([&] { state.count_step(none, 1); }) ==
             "vlm::DataError [diverged]\n"
             "  at        step 3\n"
             "  expected  a finite loss and gradient in one of 2 steps\n"
             "  got       loss 1.000000, gradient norm nan\n"
             "  try       a smaller learning rate; the last checkpoint is whole");
  BOOST_TEST(state.step == 2);
  BOOST_TEST(state.skipped == 1);
  BOOST_TEST(state.updates() == 1);
}

BOOST_AUTO_TEST_CASE(what_is_done_every_so_many_steps) {
  const auto due = [](Index step, Index every, bool at_end) {
    return RunState{.step = step}.is_due(every, 10, at_end);
  };
  BOOST_TEST(due(4, 2, false));
  BOOST_TEST(!due(5, 2, false));
  BOOST_TEST(!due(5, 0, true));
  BOOST_TEST(!due(10, 2, false));
  BOOST_TEST(due(10, 3, true));
}

BOOST_AUTO_TEST_CASE(weights_that_are_not_finite_are_not_saved) {
  const RunState state{.step = 7};
  state.check_values(1);
  BOOST_TEST(message_of([&] { state.check_values(NAN); }) ==
             "vlm::DataError [diverged]\n"
             "  at        step 7\n"
             "  expected  finite weights\n"
             "  try       a smaller learning rate; the last checkpoint is whole");
}

BOOST_AUTO_TEST_SUITE_END()
