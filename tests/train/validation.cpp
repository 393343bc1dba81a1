#include <boost/test/unit_test.hpp>

#include <string>

#include <vlm/core/config.hpp>
#include <vlm/train/validation.hpp>
#if !VLM_COMPILED
#include <vlm/cpu.hpp>
#include <vlm/io/json_definitions.hpp>
#endif

#include "message_of.hpp"
#include "temporary_folder.hpp"

using namespace vlm;

namespace {

using Net = Model<Qwen3VL, Cpu>;

struct Toy {
  Processor processor = Processor::load("tests/toy/start");
  Net net = Net::make(processor.config(), 1);
  Runtime<Cpu> runtime{1};
  Net::RopeTables tables;

  double score(const std::string& path, Index context) {
    return Validation(path, processor, context).mean_loss(runtime, net, tables);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(train_validation, Toy)

// However the lines are packed: each token's loss is summed once, and divided by the count of all.
BOOST_AUTO_TEST_CASE(the_mean_over_all_supervised_tokens) {
  const JsonlFile file("tests/toy/data.jsonl");
  double sum = 0;
  Index count = 0;
  for (Index line = 0; line < file.size(); ++line) {
    Batch batch;
    batch.append(processor.training_sample(file.conversation(line)), processor.config());
    const auto pass = [&] { run_loss_pass(runtime, net, batch, tables, sum); };
    runtime.plan(pass);
    pass();
    count += static_cast<Index>(batch.rows.size());
  }
  const auto near = boost::test_tools::tolerance(1e-6);
  for (const Index context : {64, 100, 100000})
    BOOST_TEST(score(file.path(), context) == sum / static_cast<double>(count), near);
}

BOOST_AUTO_TEST_CASE(the_same_score_twice) {
  Validation validation("tests/toy/data.jsonl", processor, 128);
  const double first = validation.mean_loss(runtime, net, tables);
  BOOST_TEST(validation.mean_loss(runtime, net, tables) == first);
}

BOOST_AUTO_TEST_CASE(bad_files_are_errors) {
  const TemporaryFolder folder;
  const std::string path = folder.path + "/none.jsonl";
  write_file_atomically(path, "\n");
  BOOST_TEST(message_of([&] { score(path, 128); }) ==
             "vlm::DataError [data-empty]\n"
             "  file      " +
                 path +
                 "\n"
                 "  expected  at least one conversation to score\n"
                 "  got       none"
                 "\n  try       a file with conversations");
  BOOST_TEST(message_of([&] { score("tests/toy/data.jsonl", 8); }).find("a longer context") !=
             std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
