#include <boost/test/unit_test.hpp>

#include <cmath>
#include <string>
#include <vector>

#include <vlm/core/config.hpp>
#include <vlm/train/progress.hpp>
#if !VLM_COMPILED
#include <vlm/io/json_definitions.hpp>
#endif

#include "temporary_folder.hpp"

using vlm::Progress, vlm::Report, vlm::StepLog;

BOOST_AUTO_TEST_SUITE(train_progress)

BOOST_AUTO_TEST_CASE(durations) {
  BOOST_TEST(Progress::duration(0) == "0:00");
  BOOST_TEST(Progress::duration(59.6) == "1:00");
  BOOST_TEST(Progress::duration(3725) == "62:05");
}

BOOST_AUTO_TEST_CASE(a_line_says_how_it_goes) {
  Progress progress("S1", 100, 2, true, 4e9);
  BOOST_TEST(progress.line({.step = 1,
                            .loss = 3,
                            .gradient_norm = 0.5,
                            .learning_rate = 1e-3,
                            .tokens = 1000,
                            .seconds = 1,
                            .flop = 1e9}) ==
             "S1 1/100  1:39 left  loss 3.0000  rate 1.00e-03  norm 0.50  1000 tokens/s  1.0 GFLOP/s (25 % "
             "of the FMA "
             "peak)");
  // A step that was skipped leaves the mean of the losses alone.
  BOOST_TEST(progress.line({.step = 2,
                            .loss = std::nan(""),
                            .gradient_norm = 2,
                            .learning_rate = 2e-3,
                            .tokens = 2000,
                            .seconds = 2,
                            .skipped = true,
                            .skipped_steps = 1,
                            .left_out = 3,
                            .validation = 2.5,
                            .flop = 5e9}) ==
             "S1 2/100  2:27 left  loss 3.0000  validation 2.5000  rate 2.00e-03  norm 2.00  1000 tokens/s  "
             "2.0 GFLOP/s "
             "(50 % of the FMA peak)  1 skipped  3 left out");
}

BOOST_AUTO_TEST_CASE(without_a_peak_there_is_no_share) {
  Progress progress("S1", 10, 1, true);
  BOOST_TEST(progress.line({.step = 10, .loss = 1, .tokens = 10, .seconds = 1, .flop = 2e9}) ==
             "S1 10/10  0:00 left  loss 1.0000  rate 0.00e+00  norm 0.00  10 tokens/s  2.0 GFLOP/s");
}

BOOST_AUTO_TEST_CASE(a_resumed_log_goes_on_after_the_checkpoint) {
  const TemporaryFolder folder;
  const std::string path = folder.path + "/log.jsonl";
  {
    StepLog log(path, 0);
    for (vlm::Index step = 1; step <= 5; ++step) log.add(Report{.step = step, .loss = 1.0 / 3});
  }
  {
    StepLog log(path, 3);
    log.add(Report{.step = 4, .loss = 0.5});
  }
  const std::string text = vlm::read_file(path);
  std::vector<vlm::Index> steps;
  std::vector<double> losses;
  for (std::size_t start = 0; start < text.size(); start = text.find('\n', start) + 1) {
    const vlm::Json line = vlm::parse_json(text.substr(start, text.find('\n', start) - start), path);
    steps.push_back(line.at("step").integer());
    losses.push_back(line.at("loss").number());
  }
  BOOST_TEST(steps == (std::vector<vlm::Index>{1, 2, 3, 4}), boost::test_tools::per_element());
  BOOST_TEST(losses == (std::vector<double>{1.0 / 3, 1.0 / 3, 1.0 / 3, 0.5}),
             boost::test_tools::per_element());
}

// A step that was skipped has no loss that JSON could write.
BOOST_AUTO_TEST_CASE(what_is_not_finite_is_null) {
  const TemporaryFolder folder;
  const std::string path = folder.path + "/log.jsonl";
  StepLog(path, 0).add(Report{
      .step = 1, .loss = std::nan(""), .gradient_norm = INFINITY, .skipped_steps = 1, .validation = 0.5});
  const vlm::Json line = vlm::parse_json(vlm::read_file(path), path);
  BOOST_TEST(line.at("loss").is_null());
  BOOST_TEST(line.at("gradient_norm").is_null());
  BOOST_TEST(line.at("skipped").integer() == 1);
  BOOST_TEST(line.at("validation").number() == 0.5);
}

BOOST_AUTO_TEST_CASE(a_line_that_was_cut_short_is_dropped) {
  const TemporaryFolder folder;
  const std::string path = folder.path + "/log.jsonl";
  vlm::write_file_atomically(path, "{\"step\":1}\n{\"step\":2,\"lo");
  {
    StepLog log(path, 9);
  }
  BOOST_TEST(vlm::read_file(path) == "{\"step\":1}\n");
}

BOOST_AUTO_TEST_SUITE_END()
