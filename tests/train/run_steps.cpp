#include <vlm/train/run_steps.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include "temporary_folder.hpp"

using namespace vlm;

namespace {

// A run of ten steps, of which every third is followed by a checkpoint; what happens in it.
struct Run {
  explicit Run(Index interrupted) : interrupted_step(interrupted) {
    recipe.out = folder.path;
    recipe.steps = 10;
    recipe.checkpoint_every = 3;
    recipe.quiet = true;
  }
  RunEnd go() {
    Progress progress("S1", recipe.steps, 1, true);
    return run_steps(
        recipe, state, progress,
        [&] {
          Report report{.step = state.step + 1};
          if (report.step == interrupted_step) std::raise(SIGINT);
          state.count_step(report, 0);
          return report;
        },
        [&] { checkpoints.push_back(state.step); },
        [&](const std::string& path) { write_file_atomically(path + "/steps", std::to_string(state.step)); });
  }
  bool has_model() const { return file_exists(folder / "model/steps"); }
  Index logged() const {
    const std::string log = read_file(folder / "log.jsonl");
    return std::count(log.begin(), log.end(), '\n');
  }

  TemporaryFolder folder;
  Index interrupted_step;
  Recipe recipe;
  RunState state;
  std::vector<Index> checkpoints;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(train_run_steps)

BOOST_AUTO_TEST_CASE(a_run_ends_with_its_model) {
  Run run(0);
  BOOST_TEST((run.go() == RunEnd::Finished));
  BOOST_TEST(run.checkpoints == (std::vector<Index>{3, 6, 9}), boost::test_tools::per_element());
  BOOST_TEST(run.logged() == 10);
  BOOST_TEST(read_file(run.folder / "model/steps") == "10");
}

BOOST_AUTO_TEST_CASE(an_interrupted_run_saves_and_goes_on_later) {
  Run run(5);
  BOOST_TEST((run.go() == RunEnd::Interrupted));
  BOOST_TEST(run.checkpoints == (std::vector<Index>{3, 5}), boost::test_tools::per_element());
  BOOST_TEST(!run.has_model());
  BOOST_TEST((run.go() == RunEnd::Finished));
  BOOST_TEST(run.checkpoints == (std::vector<Index>{3, 5, 6, 9}), boost::test_tools::per_element());
  BOOST_TEST(run.logged() == 10);
  BOOST_TEST(run.has_model());
}

BOOST_AUTO_TEST_CASE(an_interrupt_in_the_last_step_leaves_the_model) {
  Run run(10);
  BOOST_TEST((run.go() == RunEnd::Interrupted));
  BOOST_TEST(run.checkpoints == (std::vector<Index>{3, 6, 9}), boost::test_tools::per_element());
  BOOST_TEST(run.has_model());
}

BOOST_AUTO_TEST_SUITE_END()
