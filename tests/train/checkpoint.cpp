#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

#include <vlm/train/checkpoint.hpp>

#include "message_of.hpp"
#include "temporary_folder.hpp"

using vlm::CheckpointFolder, vlm::Index;

BOOST_AUTO_TEST_SUITE(train_checkpoint)

BOOST_AUTO_TEST_CASE(the_last_two_are_kept) {
  const TemporaryFolder folder;
  CheckpointFolder checkpoints(folder.path);
  for (Index step : {5, 10, 15, 100})
    checkpoints.write(step, [&](const std::string& path) {
      vlm::write_file_atomically(path + "/a", std::to_string(step));
    });
  BOOST_TEST(checkpoints.steps() == (std::vector<Index>{15, 100}), boost::test_tools::per_element());
  BOOST_TEST(vlm::read_file(checkpoints.path(100) + "/a") == "100");
}

BOOST_AUTO_TEST_CASE(as_many_are_kept_as_asked_for) {
  const TemporaryFolder folder;
  CheckpointFolder checkpoints(folder.path, 3);
  for (Index step : {1, 2, 3, 4}) checkpoints.write(step, [](const std::string&) {});
  BOOST_TEST(checkpoints.steps() == (std::vector<Index>{2, 3, 4}), boost::test_tools::per_element());
  BOOST_TEST(message_of([&] { CheckpointFolder{folder.path}; }).find("[folder-in-use]") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_write_that_fails_leaves_no_checkpoint) {
  const TemporaryFolder folder;
  CheckpointFolder checkpoints(folder.path);
  checkpoints.write(1, [](const std::string& path) { vlm::write_file_atomically(path + "/a", "whole"); });
  BOOST_CHECK_THROW(checkpoints.write(2,
                                      [](const std::string& path) {
                                        vlm::write_file_atomically(path + "/a", "half");
                                        throw vlm::FileError("file-write", {{"got", "a full disk"}});
                                      }),
                    vlm::FileError);
  BOOST_TEST(checkpoints.steps() == (std::vector<Index>{1}), boost::test_tools::per_element());
  BOOST_TEST(vlm::read_file(checkpoints.path(1) + "/a") == "whole");
}

BOOST_AUTO_TEST_CASE(a_damaged_checkpoint_is_refused) {
  const TemporaryFolder folder;
  CheckpointFolder checkpoints(folder.path);
  for (Index step : {1, 2})
    checkpoints.write(step,
                      [](const std::string& path) { vlm::write_file_atomically(path + "/a", "whole"); });
  checkpoints.verify(1);
  vlm::write_file_atomically(checkpoints.path(2) + "/a", "whale");
  checkpoints.verify(1);
  BOOST_CHECK_EXCEPTION(checkpoints.verify(2), vlm::FileError,
                        [](const vlm::FileError& error) { return error.id() == "checkpoint"; });
}

BOOST_AUTO_TEST_CASE(foreign_names_are_no_checkpoints) {
  const TemporaryFolder folder;
  for (const char* name :
       {"checkpoint-", "checkpoint-7.partial", "checkpoint-x", "checkpoint-99999999999999999999"})
    vlm::make_folder(folder.path + "/" + name);
  BOOST_TEST(CheckpointFolder(folder.path).steps().empty());
}

BOOST_AUTO_TEST_CASE(what_a_killed_run_left_is_removed) {
  const TemporaryFolder folder;
  vlm::make_folder(folder.path + "/checkpoint-7.partial");
  vlm::make_folder(folder.path + "/checkpoint-5.old");
  vlm::make_folder(folder.path + "/checkpoint-6");
  const CheckpointFolder checkpoints(folder.path);
  for (const char* gone : {"/checkpoint-7.partial", "/checkpoint-5.old"})
    BOOST_TEST(!vlm::file_exists(folder.path + gone));
  BOOST_TEST(vlm::file_exists(folder.path + "/checkpoint-6"));
}

BOOST_AUTO_TEST_CASE(companions_are_carried_along) {
  const TemporaryFolder from, to;
  vlm::write_file_atomically(from.path + "/tokenizer.json", "{}");
  vlm::write_file_atomically(from.path + "/model.safetensors", "weights");
  vlm::copy_companions(from.path, to.path);
  BOOST_TEST(vlm::read_file(to.path + "/tokenizer.json") == "{}");
  BOOST_TEST(!vlm::file_exists(to.path + "/model.safetensors"));
}

BOOST_AUTO_TEST_SUITE_END()
