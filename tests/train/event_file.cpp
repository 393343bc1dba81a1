#include <vlm/train/event_file.hpp>

#include <boost/test/unit_test.hpp>

#include <vlm/core/config.hpp>
#if !VLM_COMPILED
#include <vlm/io/json_definitions.hpp>
#endif

#include "message_of.hpp"
#include "temporary_folder.hpp"

using namespace vlm;

BOOST_AUTO_TEST_SUITE(train_event_file)

// tests/golden/make_events.py wrote the same steps and read them back.
BOOST_AUTO_TEST_CASE(a_resumed_run_writes_the_golden_bytes) {
  const TemporaryFolder folder;
  EventFile events(folder.path, 3, 1700000000.25);
  BOOST_TEST(events.path().starts_with(folder.path + "/events.out.tfevents.1700000000."));
  events.add({.step = 4,
              .loss = 2.5,
              .gradient_norm = 0.75,
              .learning_rate = 0.001,
              .tokens = 1024,
              .seconds = 2,
              .flop = 6e9},
             1700000001.25);
  events.add({.step = 300,
              .loss = 0.125,
              .balance = 1.25,
              .gradient_norm = 1.5,
              .learning_rate = 0.0005,
              .tokens = 512,
              .seconds = 0.5,
              .skipped_steps = 2,
              .validation = 0.5,
              .flop = 3e9},
             1700000001.25);
  BOOST_TEST((read_file(events.path()) == read_file("tests/golden/events/run.tfevents")));
}

// A run from the start replaces nothing: its file holds the version alone.
BOOST_AUTO_TEST_CASE(a_first_run_begins_with_the_version) {
  const TemporaryFolder folder;
  const EventFile events(folder.path, 0, 1700000000.25);
  const std::string written = read_file(events.path());
  BOOST_TEST(written == read_file("tests/golden/events/run.tfevents").substr(0, written.size()));
  BOOST_TEST(written.size() == 8 + 4 + (1 + 8 + 2 + 13) + 4);
}

BOOST_AUTO_TEST_CASE(a_folder_that_is_not_there_is_an_error) {
  const std::string message = message_of([] { EventFile("/nowhere", 0, 1); });
  BOOST_TEST(message.starts_with(
      "vlm::FileError [file-write]\n  file      /nowhere/events.out.tfevents.0000000001."));
  BOOST_TEST(
      message.ends_with("\n  expected  a place that can be written\n  got       No such file or directory\n  "
                        "try       check the path and "
                        "its permissions"));
}

BOOST_AUTO_TEST_SUITE_END()
